"""`resourcepolicy serve`: kube-scheduler asks which nodes a pod may use, `policy` decides, this answers."""
