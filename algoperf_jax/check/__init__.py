"""Checks of a submission before it is handed in.

report.py    all checks of a submission, one after the other
source.py    rules that a submission breaks in its source
files.py     the same for its file and those beside it; its constants
metadata.py  name, authors and rule set, from the file beside it
runs.py      checks that trace it or train two steps on a mini workload
"""
