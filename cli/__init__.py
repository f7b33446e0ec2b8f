"""For the people who write policies: `resourcepolicy lint`, `simulate`, `status` and `explain`.

A mistake of the user is one line that names the file, the place and the fix, and exit code 2.
"""
