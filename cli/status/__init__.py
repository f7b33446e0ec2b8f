"""`resourcepolicy status`."""
