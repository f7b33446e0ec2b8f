"""What the status of a policy says: conditions, capacity and usage by unit."""
