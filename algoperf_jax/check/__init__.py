"""What a program can see of a submission or a workload before it is used.

report.py      all checks of a submission, one after the other
  source.py      rules that it breaks in its source
  files.py       the same for its file and those that it imports; its constants
  metadata.py    name, authors and rule set, from the file beside it
  runs.py        what tracing it shows, and two steps on a mini workload
  resumption.py  a trial broken off and resumed, against an unbroken one
workload.py    the contract of a workload, checked on one
  comparison.py  where two trees differ
"""
