"""For the people who write policies: `resourcepolicy lint`, `simulate`, `status` and `explain`.

Owns reading files and clusters, printing, exit codes; must not know any rule: what is concluded is concluded
in `policy`. A mistake of the user is one line that names the file, the place and the fix, and exit code 2.
"""
