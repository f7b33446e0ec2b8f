"""What a policy would do: pods arrive in a cluster that only exists as values.

Owns the play, the room on nodes and what is concluded from it; must not know files, terminals or the API.
Every decision about a pod is made by the caller's decider, which is the one that answers kube-scheduler.
"""
