"""The story of the guide on a real control plane: what a new user sees first."""
