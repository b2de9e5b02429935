"""The embedded sample of the OGBG workload; `README.md` says what it is."""

from pathlib import Path

from algoperf_jax.data.sample import expanded_sample

FILES = (
    "raw/num-node-list.csv.gz",
    "raw/num-edge-list.csv.gz",
    "raw/node-feat.csv.gz",
    "raw/edge.csv.gz",
    "raw/edge-feat.csv.gz",
    "raw/graph-label.csv.gz",
    "split/scaffold/train.csv.gz",
    "split/scaffold/valid.csv.gz",
    "split/scaffold/test.csv.gz",
    "tasks.txt",
)

_VERSION = "1"  # of what `process` writes


def root(cache_dir: Path) -> Path:
    """Returns the folder with the sample as `ogbg_molpcba/0.1.3`, making it at first use."""
    from workloads.ogbg.prepare import process  # its libraries are needed at first use only

    return expanded_sample(
        Path(__file__).parent,
        FILES,
        process,
        name="ogbg_sample",
        version=_VERSION,
        cache_dir=cache_dir,
    )
