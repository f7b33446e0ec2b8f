"""What a policy would do: pods arrive in a simulated cluster.

The caller's `decide` makes every decision about a pod: the same code that answers kube-scheduler.
"""
