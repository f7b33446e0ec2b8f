"""Which pending pods need nodes, and of which unit."""
