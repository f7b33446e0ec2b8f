"""`resourcepolicy serve`: kube-scheduler asks which nodes a pod may use, `policy` decides, this answers.

Must not know `watcher`: the two meet in the objects of the cluster only.
"""
