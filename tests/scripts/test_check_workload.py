"""The command that checks a workload, on the toy and on one with a fault."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def check(code, tmp_path):
    file = tmp_path / "my_workload.py"
    file.write_text(code)
    found = subprocess.run(
        [sys.executable, "scripts/check_workload.py", str(file)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"},
        capture_output=True,
        text=True,
    )
    return found.returncode, found.stdout.splitlines()


def test_every_check_gets_a_line_and_status_0_where_all_is_well(tmp_path):
    status, lines = check("from toy_workload import toy\nworkload = toy()\n", tmp_path)
    assert status == 0
    assert len(lines) == 9
    assert all(line.startswith("ok ") for line in lines)


def test_what_is_wrong_is_said_and_status_1(tmp_path):
    code = "from toy_workload import toy\nworkload = toy(supports_label_smoothing=False)\n"
    status, lines = check(code, tmp_path)
    assert status == 1
    (line,) = [line for line in lines if not line.startswith("ok ")]
    assert line == "violation  supports_label_smoothing is False and the loss heeds it"
