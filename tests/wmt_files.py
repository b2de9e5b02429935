"""Small files in the form of upstream's archives of WMT, with sentences of the embedded sample."""

import collections
import io
import tarfile
from pathlib import Path

from workloads.wmt import sample, sources

FOLDER = Path(sample.__file__).parent
SIZE = 200  # pieces for which there is text enough
EXAMPLES = {"train": 197, "validation": 20, "test": 29}
SOURCES = (*sources.TRAIN, *sources.VALIDATION, *sources.TEST)


def texts():
    """The content of each of upstream's files that the benchmark reads."""
    pairs = iter(sample.read_pairs(FOLDER / sample.PAIRS)["train"])
    counts = (70, 60, 40, 30, 20, 30)
    found = {}
    for source, count in zip(SOURCES, counts, strict=True):
        sides = [list(side) for side in zip(*(next(pairs) for _ in range(count)), strict=True)]
        if source.name == "europarl_v7":
            sides[0][3] = sides[1][5] = ""  # two pairs are dropped
            sides[0][7] += "\r"
            sides[1][7] += "\u2028"
        if source.name == "rapid_2016":
            sides[1][29] = ""
        for name, lines in zip(source.files, sides, strict=True):
            if name.endswith(".sgm"):
                lines[4] = "" if "src" in name else lines[4]
                lines[5] = "&quot;A &amp; B&quot;"
                segments = [f'<seg id="{k}">{line}</seg>' for k, line in enumerate(lines, 1)]
                lines = ["<refset>", "<p>", *segments, "</p>"]
            found[name] = ("\n".join(lines) + "\n").encode()
    return found


def write_archives(folder):
    """Packs the files as upstream does, among others."""
    folder.mkdir()
    contents = collections.defaultdict(dict)
    for source in SOURCES:
        contents[source.archive.filename] |= {name: texts()[name] for name in source.files}
    for filename, files in contents.items():
        with tarfile.open(folder / filename, "w:gz") as archive:
            for name, content in {"README": b"other", **files, "training/x.fr": b"non"}.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return folder
