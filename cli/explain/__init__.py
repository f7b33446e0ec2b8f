"""`resourcepolicy explain`."""
