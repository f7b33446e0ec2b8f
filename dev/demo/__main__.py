"""`python -m dev.demo [--keep]`.

Exit status: 0 as the guide tells it, 1
otherwise, 130 when interrupted.
"""

import argparse
import os
import sys
from pathlib import Path

from dev.demo.signals import Interrupts

__all__ = ["main"]

GOOD, BAD, INTERRUPTED = 0, 1, 130


def main() -> int:
    interrupts = Interrupts()  # before the slow imports: one that comes meanwhile counts, too
    try:
        status = _performed(interrupts, _arguments())
    except KeyboardInterrupt:
        status = INTERRUPTED
    interrupts.disarm()
    if status == INTERRUPTED:
        _say("interrupted; everything is stopped and removed")
    return status


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m dev.demo",
        description="The story of the guide on a real control plane, there and back, in less than a minute.",
    )
    parser.add_argument("--keep", action="store_true", help="leave it up until Ctrl-C, for your own kubectl")
    parser.add_argument(
        "--timeline",
        type=_picture,
        default="demo-timeline.svg",
        metavar="FILE",
        help="where the picture of it is written at its end (default: %(default)s)",
    )
    return parser.parse_args()


def _picture(name: str) -> Path:
    path = Path(name).absolute()
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise argparse.ArgumentTypeError(f"no file can be written at {name}")
    return path


def _performed(interrupts: Interrupts, arguments: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415

    from dev.controlplane import ApiError, ProgramExitedError  # noqa: PLC0415
    from dev.controlplane.build import BuildError  # noqa: PLC0415
    from dev.controlplane.toolchain import ToolchainError  # noqa: PLC0415
    from dev.demo.runner import perform  # noqa: PLC0415
    from dev.harness.recorder import RecorderError  # noqa: PLC0415

    failures = (ApiError, BuildError, RecorderError, ProgramExitedError, TimeoutError, ToolchainError)
    try:
        good = perform(interrupts, Console(), timeline=arguments.timeline, keep=arguments.keep)
    except failures as error:
        for line in (f"the demo failed: {error}", *getattr(error, "__notes__", ())):
            _say(line)
        return BAD
    # A signal that came while everything was being stopped interrupted nothing, and still counts.
    return INTERRUPTED if interrupts.came and not arguments.keep else GOOD if good else BAD


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
    except OSError:  # the terminal is closed; Python would try once more at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


if __name__ == "__main__":
    sys.exit(main())
