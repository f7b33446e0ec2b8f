"""`resourcepolicy watch`: asks an autoscaler for nodes, and writes what follows from a placement."""
