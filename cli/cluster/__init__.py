"""Where a command finds the cluster: a live API server, or a file."""
