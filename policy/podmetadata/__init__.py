"""What is written on a pod that has a node: labels, annotations, deletion cost."""
