"""The reconcile loop that asks for nodes: observe, plan, apply."""
