"""The shell around `policy`: what kube-scheduler, the API server and cluster-autoscaler are told.

Arrows point one way: `cli` starts `server` or `watching`, which construct everything; nothing here is
imported by `policy`.
"""
