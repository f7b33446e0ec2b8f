"""What is legal in a policy and hurts all the same: findings about documents, a cluster, a scheduler.

Pure, as the package above it: positions come in with the documents, and leave with the findings.
"""
