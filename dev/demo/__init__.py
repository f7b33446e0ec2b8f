"""The story of the guide on a real control plane: what a new user sees first.

Owns: the story, what is observed of it, how that is shown.
"""
