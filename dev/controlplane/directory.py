"""The one directory that holds all of a plane's files, and its removal, whoever dies first.

A shell waits for our word; if none comes because we were killed, it removes the directory itself.
"""

import subprocess
import tempfile
from pathlib import Path

__all__ = ["Directory"]

# After a silent death the programs are being killed too: they may write for another moment.
BROOM = """
read -r word || sleep 0.5
test "$word" = keep && exit
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"""


class Directory:
    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="controlplane-"))
        # Its own session: what kills our process group or our terminal must not kill the broom.
        self._broom = subprocess.Popen(
            ["/bin/sh", "-c", BROOM, "sh", str(self.path)],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self, *, keep: bool) -> None:
        self._broom.communicate(b"keep\n" if keep else b"remove\n")
