"""What a program can see of a submission or a workload before it is used.

source.py    rules that a submission breaks in its source
metadata.py  what a submission says about itself
runs.py      what two steps on a mini workload show
"""
