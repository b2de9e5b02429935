"""A small data set in the layout of the upstream download of ogbg-molpcba."""

import gzip

MOLECULES = 40


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{row}\n" for row in rows).encode()))


def write_raw(folder):
    """Writes chains of 1, 2, 3 or 4 atoms; molecule i is recognised by its first atom's code."""
    sizes = [1 + i % 4 for i in range(MOLECULES)]
    raw, split = folder / "raw", folder / "split" / "scaffold"
    write_rows(raw / "num-node-list.csv.gz", sizes)
    write_rows(raw / "num-edge-list.csv.gz", [size - 1 for size in sizes])
    atoms = [(i, atom) for i, size in enumerate(sizes) for atom in range(size)]
    write_rows(raw / "node-feat.csv.gz", [f"{i},{atom},2,3,4,5,6,7,8" for i, atom in atoms])
    bonds = [(i, bond) for i, size in enumerate(sizes) for bond in range(size - 1)]
    write_rows(raw / "edge.csv.gz", [f"{bond},{bond + 1}" for _, bond in bonds])
    write_rows(raw / "edge-feat.csv.gz", [f"{i},{bond},1" for i, bond in bonds])
    labels = [["", "0", "1"][(i + t) % 3] for i in range(MOLECULES) for t in range(128)]
    rows = [",".join(labels[128 * i : 128 * (i + 1)]) for i in range(MOLECULES)]
    write_rows(raw / "graph-label.csv.gz", rows)
    write_rows(split / "train.csv.gz", range(30))
    write_rows(split / "valid.csv.gz", range(30, 36))
    write_rows(split / "test.csv.gz", range(36, 40))
