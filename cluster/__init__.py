"""The cluster as the API server tells it: reached, listed and watched, and kept for decisions.

What `extender` and `watcher` share.
"""
