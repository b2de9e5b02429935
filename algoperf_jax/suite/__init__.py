"""Many trials from one command: planned, run as processes, watched, resumed.

choices.py           the options of a suite
known_workloads.py   the workloads there are, by name and by group
suite.py             choices -> planned trials and their jobs
  plan.py              workloads x studies x trials, as pure functions
  plan_file.py         plan.json, which binds later calls
  jobs.py              the command, folder and limits of one trial
  trial_status.py      to do, unfinished or ended, from a trial's folder
scheduler.py         the loop that keeps an engine busy
  processes.py         the engine of one machine
  ray_engine.py        the engine of a Ray cluster
  supervision.py       one trial as a supervised process
  ends_with_parent.py  a program that ends with the process that started it
listing.py           a plan in plain text
trial_list.py        all trials below a folder, the best first
progress_table.py    a suite under way as a table
slurm.py             a plan as a Slurm array script
target_setting.py    the benchmark's procedure that sets a workload's targets
"""
