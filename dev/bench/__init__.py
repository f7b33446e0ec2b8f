"""The benchmark: ours beside a Go peer on one machine, and kube-scheduler with each of them."""
