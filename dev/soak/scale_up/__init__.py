"""Random demand over elastic units on the real autoscaler: the right unit grown, by no node too many."""
