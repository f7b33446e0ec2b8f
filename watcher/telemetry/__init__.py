"""Metrics of the watcher."""
