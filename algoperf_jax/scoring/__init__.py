"""Scoring: from records of training runs to times to target, profiles and scores.

    protocol.py          what is compared: workloads, studies, trials, budgets
    reading.py           paths -> records: trials and evaluations as tidy tables
      contents.py          what lies at the paths
      folders.py           finds trials in log trees
      meta_data.py         what the kit's own records say about themselves
      csv_numbers.py       CSV text -> numbers, naming what is wrong with it
      tidy.py              tidy CSV files
      checks.py            trials that cannot count
      input_warnings.py    what is wrong with the input, one line each
    times.py             records -> runs -> times of studies
    disqualification.py  4x rule and held-out rule
    profiles.py          performance ratios, profiles and scores
    speedups.py          speed-ups over one submission
    sensitivity.py       leave-one-out and bootstrap
    results.py           all of it for one field of submissions
    field.py             paths -> leaderboards: all of this in two calls
    published.py         the published field
    submission_info.py   what submitters say of their submissions
    curves.py            the metric of each run against time
    leaderboard.py       results and what is shown beside them
    tables.py            all of it as tables
    formats.py           tables as text, Markdown, CSV
    report.py            everything in one file: JSON, tidy CSV, Markdown
    figure.py            the performance profile for a paper
    lines.py             colours and dashes of lines
    page/                the leaderboard as a static page

Nothing here names a workload: facts about workloads are arguments. Arrays carry their axes in
their names: S submissions, W workloads (base first, then held-out), B base workloads, H held-out
workloads, K studies, T points of a profile; "___" stands for any leading axes.
"""
