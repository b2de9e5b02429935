"""The parallel texts that WMT17 and WMT14, German to English, are made of, and where they are.

Bojar et al., "Findings of the 2017 Conference on Machine Translation" (2017). Each has a file for
either language; line i of both is pair i.
"""

import dataclasses
from collections.abc import Iterable

from algoperf_jax.data.download import Download


@dataclasses.dataclass(frozen=True)
class Source:
    """A parallel text as upstream distributes it.

    Attributes:
      name: what TensorFlow Datasets calls it.
      archive: the download that holds it.
      files: its German and its English file in the archive.
    """

    name: str
    archive: Download
    files: tuple[str, str]


_DEV = Download(
    url="http://data.statmt.org/wmt19/translation-task/dev.tgz",
    size=38_654_961,
    sha256="7a7deccf82ebb05ba508dba5eb21356492224e8f630ec4f992132b029b4b25e7",
)

# In the order in which TensorFlow Datasets reads them.
TRAIN = (
    Source(
        "europarl_v7",
        Download(
            url="http://www.statmt.org/wmt13/training-parallel-europarl-v7.tgz",
            size=657_632_379,
            sha256="0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7",
        ),
        ("training/europarl-v7.de-en.de", "training/europarl-v7.de-en.en"),
    ),
    Source(
        "commoncrawl",
        Download(
            url="http://www.statmt.org/wmt13/training-parallel-commoncrawl.tgz",
            size=918_311_367,
            sha256="c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5",
        ),
        ("commoncrawl.de-en.de", "commoncrawl.de-en.en"),
    ),
    Source(
        "newscommentary_v12",
        Download(
            url="http://data.statmt.org/wmt17/translation-task/training-parallel-nc-v12.tgz",
            size=168_591_139,
            sha256="2b45f30ef1d550d302fd17dd3a5cbe19134ccc4c2cf50c2dae534aee600101a2",
        ),
        ("training/news-commentary-v12.de-en.de", "training/news-commentary-v12.de-en.en"),
    ),
    Source(
        "rapid_2016",
        Download(
            url="http://data.statmt.org/wmt18/translation-task/rapid2016.tgz",
            size=161_050_516,
            sha256="41557dd5d8f0ed3a6d98bce3b798b1a9d3b68361eb99d902329ddbb943a6b55a",
        ),
        ("rapid2016.de-en.de", "rapid2016.de-en.en"),
    ),
)
VALIDATION = (Source("newstest2013", _DEV, ("dev/newstest2013.de", "dev/newstest2013.en")),)
TEST = (
    Source(
        "newstest2014",
        _DEV,
        ("dev/newstest2014-deen-src.de.sgm", "dev/newstest2014-deen-ref.en.sgm"),
    ),
)


def archives(sources: Iterable[Source]) -> tuple[Download, ...]:
    """Returns the archives that hold the sources, each once."""
    return tuple(dict.fromkeys(source.archive for source in sources))
