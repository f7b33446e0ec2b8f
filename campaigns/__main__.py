"""`python -m campaigns NAME …`: whatever campaign is called so.

Must not know: any of them.
"""

import pkgutil
import runpy
import sys

import campaigns


def main() -> None:
    found = sorted(module.name for module in pkgutil.iter_modules(campaigns.__path__))
    names = [name.replace("_", "-") for name in found if name != "__main__"]
    if sys.argv[1:2] == [] or sys.argv[1] not in names:
        sys.exit(f"usage: python -m campaigns {'|'.join(names)} [--help]")
    module = sys.argv.pop(1).replace("-", "_")
    runpy.run_module(f"campaigns.{module}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
