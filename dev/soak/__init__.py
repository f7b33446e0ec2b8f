"""Long runs on the real control plane, for which `make test` has no time: `python -m dev.soak NAME --help`.

Each module or package here is a campaign that anybody can rerun; a short form of it is a test.
"""
