"""`python -m dev.controlplane build | up`."""

import argparse
import signal
import sys

from dev.controlplane.build import BuildError, build
from dev.controlplane.plane import ControlPlane, PlaneOptions
from dev.controlplane.processes import ProgramExitedError
from dev.controlplane.toolchain import ToolchainError


def main() -> int:
    parser = argparse.ArgumentParser(prog="controlplane", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="build the programs that are missing")
    up = verbs.add_parser("up", help="run a control plane until Ctrl-C")
    up.add_argument("--keep", action="store_true", help="keep its files")
    up.add_argument("--no-extender", action="store_true", help="schedule without ours")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "build":
            build()
        else:
            extenders = () if arguments.no_extender else None
            _up(PlaneOptions(extenders=extenders, keep=arguments.keep))
    except (BuildError, ToolchainError, ProgramExitedError, TimeoutError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _up(options: PlaneOptions) -> None:
    with ControlPlane(options) as plane:
        host, port = plane.extender_address
        print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)  # noqa: T201
        print(f"the extender is expected at http://{host}:{port}", file=sys.stderr)  # noqa: T201
        # SIGTERM is to clean up as Ctrl-C does; a second signal must not end the cleaning.
        stopping = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
        signal.sigwait(stopping)


if __name__ == "__main__":
    sys.exit(main())
