"""What the models of several workloads share."""
