"""Builds the embedded molecule sample: NCI compounds in the raw file layout of ogbg-molpcba.

    python -m workloads.ogbg.sample.build [--output DIR]

Needs rdkit (the version named in README.md gives the same bytes). Users never run this.

The feature codes follow the Open Graph Benchmark's molecule featurisation (Hu et al., "Open Graph
Benchmark", 2020, `ogb/utils/features.py`): every feature is the position of its value in a list of
known values, and one more code stands for "anything else".
"""

import argparse
import collections
import gzip
import io
import pathlib
from collections.abc import Callable, Iterable

import numpy as np
from rdkit import Chem, RDConfig, RDLogger
from rdkit.Chem import FilterCatalog, Fragments
from rdkit.Chem.rdchem import BondStereo, BondType, ChiralType, HybridizationType
from rdkit.Chem.Scaffolds import MurckoScaffold

SOURCE = pathlib.Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"

NUM_TASKS = 128
MIN_PREVALENCE = 0.005
MIN_POSITIVES_PER_SPLIT = 4
MAX_JACCARD = 0.9
MIN_ATOMS, MAX_ATOMS = 2, 60
SPLIT_FRACTIONS = {"train": 0.8, "valid": 0.1, "test": 0.1}
ALERT_CATALOGS = ("PAINS", "BRENK", "NIH", "ZINC", "CHEMBL")

ATOM_CODES = (
    (Chem.Atom.GetAtomicNum, tuple(range(1, 119))),
    (
        Chem.Atom.GetChiralTag,
        (
            ChiralType.CHI_UNSPECIFIED,
            ChiralType.CHI_TETRAHEDRAL_CW,
            ChiralType.CHI_TETRAHEDRAL_CCW,
            ChiralType.CHI_OTHER,
        ),
    ),
    (Chem.Atom.GetTotalDegree, tuple(range(11))),
    (Chem.Atom.GetFormalCharge, tuple(range(-5, 6))),
    (Chem.Atom.GetTotalNumHs, tuple(range(9))),
    (Chem.Atom.GetNumRadicalElectrons, tuple(range(5))),
    (
        Chem.Atom.GetHybridization,
        (
            HybridizationType.SP,
            HybridizationType.SP2,
            HybridizationType.SP3,
            HybridizationType.SP3D,
            HybridizationType.SP3D2,
        ),
    ),
    (Chem.Atom.GetIsAromatic, (False, True)),
    (Chem.Atom.IsInRing, (False, True)),
)
BOND_CODES = (
    (
        Chem.Bond.GetBondType,
        (BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE, BondType.AROMATIC),
    ),
    (
        Chem.Bond.GetStereo,
        (
            BondStereo.STEREONONE,
            BondStereo.STEREOZ,
            BondStereo.STEREOE,
            BondStereo.STEREOCIS,
            BondStereo.STEREOTRANS,
            BondStereo.STEREOANY,
        ),
    ),
    (Chem.Bond.GetIsConjugated, (False, True)),
)


def codes(item, table) -> list[int]:
    """Returns one code per feature of an atom or bond; unknown values get the next free code."""
    row = []
    for read, known in table:
        value = read(item)
        row.append(known.index(value) if value in known else len(known))
    return row


def read_molecules(lines: Iterable[str]) -> list[Chem.Mol]:
    """Parses `SMILES<tab>number` lines; drops what the README says is dropped."""
    molecules, seen = [], set()
    for line in lines:
        molecule = Chem.MolFromSmiles(line.split()[0])
        if molecule is None or molecule.GetNumBonds() == 0:
            continue
        if not MIN_ATOMS <= molecule.GetNumAtoms() <= MAX_ATOMS:
            continue
        canonical = Chem.MolToSmiles(molecule)
        if canonical not in seen:
            seen.add(canonical)
            molecules.append(molecule)
    return molecules


def scaffold_split(molecules: list[Chem.Mol]) -> dict[str, np.ndarray]:
    """Splits by Bemis-Murcko scaffold: whole groups, largest first, fill train, valid, then test.

    This is the procedure behind OGB's molecule splits. Ties in size go to the group whose first
    molecule comes later. Returns sorted molecule indices per split.
    """
    groups = collections.defaultdict(list)
    for index, molecule in enumerate(molecules):
        scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=molecule, includeChirality=False)
        groups[scaffold].append(index)
    train_end = SPLIT_FRACTIONS["train"] * len(molecules)
    valid_end = train_end + SPLIT_FRACTIONS["valid"] * len(molecules)
    split = {"train": [], "valid": [], "test": []}
    for group in sorted(groups.values(), key=lambda g: (len(g), g[0]), reverse=True):
        taken = len(split["train"])
        if taken + len(group) <= train_end:
            split["train"] += group
        elif taken + len(split["valid"]) + len(group) <= valid_end:
            split["valid"] += group
        else:
            split["test"] += group
    return {name: np.sort(np.array(indices)) for name, indices in split.items()}


def candidate_tasks() -> dict[str, Callable[[Chem.Mol], bool]]:
    """Returns yes/no questions about a molecule: functional groups and structural alerts."""
    tasks = {}
    for name in sorted(vars(Fragments)):
        if name.startswith("fr_"):
            count = getattr(Fragments, name)
            tasks[name] = lambda molecule, count=count: count(molecule) > 0
    for catalog_name in ALERT_CATALOGS:
        catalog_id = getattr(FilterCatalog.FilterCatalogParams.FilterCatalogs, catalog_name)
        catalog = FilterCatalog.FilterCatalog(FilterCatalog.FilterCatalogParams(catalog_id))
        for index in range(catalog.GetNumEntries()):
            entry = catalog.GetEntryWithIdx(index)
            # Two entries of a catalogue may share their description.
            tasks[f"{catalog_name}:{index}:{entry.GetDescription()}"] = entry.HasFilterMatch
    return tasks


def answer(tasks: dict[str, Callable], molecules: list[Chem.Mol]) -> np.ndarray:
    """Returns bool [molecules, tasks]."""
    return np.array([[ask(molecule) for ask in tasks.values()] for molecule in molecules])


def select_tasks(answers: np.ndarray, split: dict[str, np.ndarray]) -> list[int]:
    """Returns the columns of the most frequent, mutually different tasks, most frequent first.

    A task is passed over when its prevalence is under MIN_PREVALENCE or over 1 - MIN_PREVALENCE,
    when a split has fewer than MIN_POSITIVES_PER_SPLIT positives of it, or when its positives
    (or its negatives) nearly coincide with the positives of a task already kept.
    """
    frequency = answers.mean(axis=0)
    kept: list[int] = []
    for column in np.argsort(-frequency, kind="stable"):
        task = answers[:, column]
        if not MIN_PREVALENCE <= frequency[column] <= 1 - MIN_PREVALENCE:
            continue
        if min(task[rows].sum() for rows in split.values()) < MIN_POSITIVES_PER_SPLIT:
            continue
        others = [answers[:, other] for other in kept]
        if any(jaccard(task, o) > MAX_JACCARD or jaccard(~task, o) > MAX_JACCARD for o in others):
            continue
        kept.append(int(column))
        if len(kept) == NUM_TASKS:
            return kept
    raise ValueError(f"only {len(kept)} tasks qualify, {NUM_TASKS} are needed")


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the size of the intersection of two sets over that of their union."""
    return (a & b).sum() / max((a | b).sum(), 1)


def write_table(path: pathlib.Path, rows: np.ndarray) -> None:
    """Writes integers as gzip-compressed CSV without header; equal rows give equal bytes."""
    text = io.StringIO()
    np.savetxt(text, rows, fmt="%d", delimiter=",")
    path.parent.mkdir(parents=True, exist_ok=True)
    # An empty name and time 0 keep the header free of what differs between runs.
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as stream:
        stream.write(text.getvalue().encode("ascii"))


def build(output: pathlib.Path) -> None:
    """Writes `raw/`, `split/scaffold/` and `tasks.txt` below `output`."""
    RDLogger.DisableLog("rdApp.*")  # the list holds a few SMILES that do not parse
    molecules = read_molecules(SOURCE.read_text().splitlines())
    split = scaffold_split(molecules)
    tasks = candidate_tasks()
    answers = answer(tasks, molecules)
    columns = select_tasks(answers, split)

    atoms = [molecule.GetAtoms() for molecule in molecules]
    bonds = [bond for molecule in molecules for bond in molecule.GetBonds()]
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds]
    tables = {
        "num-node-list": [[molecule.GetNumAtoms()] for molecule in molecules],
        "num-edge-list": [[molecule.GetNumBonds()] for molecule in molecules],
        "node-feat": [codes(atom, ATOM_CODES) for group in atoms for atom in group],
        "edge": ends,
        "edge-feat": [codes(bond, BOND_CODES) for bond in bonds],
        "graph-label": answers[:, columns],
    }
    for name, rows in tables.items():
        write_table(output / "raw" / f"{name}.csv.gz", np.array(rows, np.int64))
    for name, indices in split.items():
        write_table(output / "split" / "scaffold" / f"{name}.csv.gz", indices)
    names = [list(tasks)[column] for column in columns]
    (output / "tasks.txt").write_text("".join(f"{name}\n" for name in names))

    print(f"{len(molecules)} molecules:", {name: len(rows) for name, rows in split.items()})
    frequency = answers[:, columns].mean(axis=0)
    print(f"{len(tasks)} candidate tasks, {int(answers.any(axis=0).sum())} of them ever positive;")
    print(f"{len(columns)} kept, prevalence {frequency.min():.4f} to {frequency.max():.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the embedded molecule sample.")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    build(parser.parse_args().output)


if __name__ == "__main__":
    main()
