"""YAML files with line numbers, and the workloads in them."""
