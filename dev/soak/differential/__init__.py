"""Random worlds, each played on the real control plane and by `resourcepolicy simulate`, and compared.

`python -m dev.soak differential --count 100 --seed 0`; a seed is replayed alone with `--count 1 --seed N`.
"""
