"""What is known of the cluster, kept current by watches."""
