"""Writes the status of policies, and Events."""
