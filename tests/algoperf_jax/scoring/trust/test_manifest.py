"""What a board was made from: every file with its checksum."""

import hashlib
import json
from pathlib import Path

import score

FOLDER = Path(__file__).parent.parent / "v06_a100_self"


def test_json_and_page_have_a_manifest_beside_them(tmp_path, capsys):
    files = [FOLDER / "ademamix.csv.gz", FOLDER / "muon.csv.gz"]
    flags = ["--rules=v0.6-a100", "--tuning=self", f"--json={tmp_path / 'board.json'}"]
    flags += [f"--html={tmp_path / 'page'}", *map(str, files)]
    assert score.main(flags) == 0
    found = json.loads((tmp_path / "board.manifest.json").read_text())
    assert json.loads((tmp_path / "page" / "manifest.json").read_text()) == found
    assert found["command"] == ["score.py", *flags]
    assert found["boards"][0]["rules"] == "v0.6-a100"
    assert found["boards"][0]["missing_studies"] == "left out"
    assert found["inputs"] == [
        {
            "file": str(file),
            "bytes": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in files
    ]
    board = json.loads((tmp_path / "board.json").read_text())
    assert board["evidence"]["ademamix"]["wmt"]["mixed"]
    assert board["trust"]["relaxed_targets"]["percent"] == list(range(21))


def test_of_a_log_tree_each_trial_s_files_are_named(tmp_path, write_trial, capsys):
    folder = write_trial(
        b"global_step,score,validation/mean_average_precision\n1,5.0,0.1\n", workload="ogbg"
    )
    assert score.main([str(tmp_path / "logs"), f"--json={tmp_path / 'b.json'}"]) == 0
    (only,) = json.loads((tmp_path / "b.manifest.json").read_text())["inputs"]
    assert only["file"] == str(folder / "eval_measurements.csv")
