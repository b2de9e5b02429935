"""One trial: one training from scratch, from its set-up to its record.

settings.py     what is chosen for it
setup.py        everything chosen, checked and derived before the clock starts
batch_size.py   the global batch size, and who chose it
training.py     the timed loop: train until an evaluation is due, evaluate, record
step.py         the training step as the program of one replica
programs.py     the compiled programs of a trial
replicas.py     replicas over devices, reductions, transfers; the one place that maps
linear.py       sums over devices, and derivatives through them
stream.py       batches on their way to the devices
selection.py    the batch of a step, as the submission selects it
carry.py        what the selection carries, for checkpoints
typed_keys.py   typed keys in a training state, as numbers between programs
clock.py        the submission clock
evaluation.py   metrics over splits, replicas and processes
ledger.py       what a trial has done so far, beside its arrays
endings.py      when training pauses, and what ends a trial
archive.py      what is kept of a trial while it runs, and when
records.py      what it leaves on disk
row_files.py    files that grow by rows
machine.py      errors of the machine, told from those of a submission
checkpoints.py  what resuming it needs
lock.py         one process at a time works on a trial's folder
progress.py     what the person who waits for it sees
result.py       what it came to, for the code that ran it (curves.py: as a figure)
watchers.py     whether somebody watches
compilation_cache.py  JAX's persistent cache, off unless asked for
profiling.py    a profiler trace of a few steps
environment.py  the software and hardware it ran on
"""
