"""What a policy would do: pods arrive in a cluster that only exists as values.

Every decision about a pod is made by the caller's decider, which is the one that answers kube-scheduler.
"""
