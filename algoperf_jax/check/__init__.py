"""What a program can see of a submission or a workload before it is used.

report.py    all checks of a submission, one after the other
source.py    rules that a submission breaks in its source
files.py     the same for its file and those beside it; what the file defines
metadata.py  what a submission says about itself
runs.py      what two steps on a mini workload show
"""
