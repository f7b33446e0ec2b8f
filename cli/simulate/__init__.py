"""`resourcepolicy simulate`."""
