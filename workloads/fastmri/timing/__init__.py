"""What the ways of this workload cost, measured by `scripts/benchmark.py` beside others."""
