"""What is legal in a policy and hurts all the same: findings about documents, a cluster, a scheduler.

Owns the rules RP001 and up, each described in docs/lint.md; must not know YAML, files, terminals or the API.
Pure, as the package above it: positions come in with the documents, and leave with the findings.
"""
