"""One scheduling cycle: which unit a pod may use now, and why no other."""
