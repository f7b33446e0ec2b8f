"""Valid but harmful settings: findings about documents, a cluster, a scheduler.

Pure, as the package above it: positions come in with the documents, and leave with the findings.
"""
