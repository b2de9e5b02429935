"""What the files of TensorFlow Datasets' folders say of their splits, written by hand."""

import json
from pathlib import Path


def enter_split(folder: Path, split: str, shard_lengths: list[int]) -> None:
    """Enters a split and the records in each of its files in `dataset_info.json`."""
    path = folder / "dataset_info.json"
    info = json.loads(path.read_text()) if path.exists() else {"splits": []}
    info["splits"] = [entry for entry in info["splits"] if entry["name"] != split]
    # Lengths are texts there, as protocol buffers write 64-bit integers to JSON.
    info["splits"].append({"name": split, "shardLengths": [str(n) for n in shard_lengths]})
    path.write_text(json.dumps(info))
