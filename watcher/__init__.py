"""`resourcepolicy watch`: asks an autoscaler for nodes, and writes what follows from a placement.

Must not know `extender`: the two meet in the objects of the cluster only.
"""
