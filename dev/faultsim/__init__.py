"""A deterministic simulator of what goes wrong around the extender: `python -m dev.faultsim --runs 1000`.

Our real cache, verbs and requeues run in virtual time against models of the API server, its watches and
kube-scheduler, while a schedule drawn from a seed disturbs them. Nothing here is shipped.
"""
