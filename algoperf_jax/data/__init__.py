"""Input-pipeline pieces that several workloads share."""
