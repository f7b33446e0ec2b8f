"""`resourcepolicy lint`."""
