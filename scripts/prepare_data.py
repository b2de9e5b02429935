"""Downloads a workload's data set and converts it to the layout that the workload reads.

python scripts/prepare_data.py ogbg --data_dir ~/data
"""

import argparse
import importlib
from pathlib import Path

from command_line import answer_for

# Each module has `prepare(data_dir, raw, *, keep_download)`.
PREPARATIONS = {
    "criteo1tb": "workloads.criteo1tb.prepare",
    "fastmri": "workloads.fastmri.prepare",
    "finewebedu_lm": "workloads.finewebedu_lm.prepare",
    "imagenet": "workloads.imagenet.prepare",
    "librispeech": "workloads.librispeech.prepare",
    "ogbg": "workloads.ogbg.prepare",
    "wmt": "workloads.wmt.prepare",
}


def parser() -> argparse.ArgumentParser:
    """The flags."""
    p = argparse.ArgumentParser(
        description="Downloads a workload's data set and converts it to the layout it reads."
    )
    p.add_argument("workload", choices=sorted(PREPARATIONS))
    p.add_argument(
        "--data_dir", type=Path, required=True, help="where the data sets of all workloads are kept"
    )
    p.add_argument(
        "--raw",
        type=Path,
        help="the downloaded file, or the folder it was unpacked to: no download; for imagenet the "
        "folder with the two tar files that image-net.org gives to registered users; for wmt the "
        "folder with upstream's five .tgz files, or the texts unpacked from them, and with a "
        "vocabulary called wmt_sentencepiece_model if it is to be used; for librispeech the folder "
        "with upstream's six .tar.gz files, or with LibriSpeech unpacked from them, and with a "
        "tokenizer called spm_model.vocab if it is to be used; for criteo1tb, which is needed, the "
        "folder with upstream's day_0.gz to day_23.gz, or with day_0_00 and so on split from them; "
        "for finewebedu_lm, which needs it, too, the folder with upstream's Parquet files and "
        "GPT-2's vocab.json and merges.txt, or with folders train and val of tokenised Arrow files",
    )
    p.add_argument(
        "--keep_download", action="store_true", help="do not delete the downloaded file at the end"
    )
    return p


def main() -> int:
    """Prepares one data set; errors its reader can mend are raised as `UserError`."""
    flags = parser().parse_args()
    importlib.import_module(PREPARATIONS[flags.workload]).prepare(
        flags.data_dir.expanduser(),
        flags.raw and flags.raw.expanduser(),
        keep_download=flags.keep_download,
    )
    return 0


if __name__ == "__main__":
    answer_for(main)
