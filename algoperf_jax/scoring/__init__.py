"""Scoring: from records of training runs to times to target, profiles and scores.

    protocol.py          one edition of the comparison: workloads, studies, trials, budgets
    reading.py           paths -> records: trials and evaluations as tidy tables
      contents.py          trials and tidy files at the paths
      folders.py           finds trials in log trees
      meta_data.py         scale, rules and facts in the kit's own records
      accounts.py          what trials say of themselves that does not fit
      csv_numbers.py       CSV text -> numbers, or the fault of each file
      tidy.py              tidy CSV files
      checks.py            trials that cannot count
      input_warnings.py    skipped input, one line each
    times.py             records -> runs -> times of studies
    disqualification.py  4x rule and held-out rule
    profiles.py          performance ratios, profiles and scores
    speedups.py          speed-ups over one submission
    sensitivity.py       leave-one-out and bootstrap
    results.py           all of it for one field of submissions
    field.py             paths -> leaderboards: all of this in two calls
    published.py         the published fields
    submission_info.py   names, authors and organisations of submissions
    relaxed_targets.py   targets that are easier to meet
    trust/               how far a score can be trusted
    curves.py            the metric of each run against time
    leaderboard.py       results with titles, notices and names
    text_table.py        a table of text
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
