"""`python -m dev.soak NAME …`: whatever campaign is called so."""

import pkgutil
import runpy
import sys

from dev import soak


def main() -> None:
    found = sorted(module.name for module in pkgutil.iter_modules(soak.__path__))
    names = [name.replace("_", "-") for name in found if name != "__main__"]
    if sys.argv[1:2] == [] or sys.argv[1] not in names:
        sys.exit(f"usage: python -m dev.soak {'|'.join(names)} [--help]")
    module = sys.argv.pop(1).replace("-", "_")
    runpy.run_module(f"dev.soak.{module}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
