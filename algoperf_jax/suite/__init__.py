"""Many trials from one command: planned, run as processes, watched, resumed."""
