"""The list of trials as a user asks for it."""

import show_trials
from toy_runs import run

from algoperf_jax.trial.records import trial_folder


def test_trials_are_listed_and_written(tmp_path, capsys):
    for trial in (1, 2):
        folder = trial_folder(tmp_path, "mini", "sgd", 0, "toy", trial)
        run(folder=folder, max_steps=2, trial=trial)
    flags = [str(tmp_path), "--by=metric", f"--csv={tmp_path / 'list.csv'}"]
    assert show_trials.main(flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "toy, mini v0.5 external"
    assert sum("training complete" in line for line in lines) == 2
    assert len((tmp_path / "list.csv").read_text().splitlines()) == 3
    assert show_trials.main([str(tmp_path), "--workloads", "ogbg"]) == 0
    assert capsys.readouterr().out == ""
