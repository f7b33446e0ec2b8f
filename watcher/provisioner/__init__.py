"""How an autoscaler is asked for nodes: by ProvisioningRequest, or by placeholder pods."""
