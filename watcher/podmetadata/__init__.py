"""Writes labels, annotations and the deletion cost on placed pods."""
