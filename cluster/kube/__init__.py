"""The Kubernetes API: client, watch, decoding, leader election."""
