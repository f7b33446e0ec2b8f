"""The benchmark: ours beside a Go peer on one machine, and kube-scheduler with each of them.

Owns what is measured and how it is told; development only, no part of the product.
Must not know: what makes either extender fast.
"""
