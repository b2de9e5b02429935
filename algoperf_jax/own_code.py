"""Where in a user's own code an error was raised: in which hook, in which file, at which line."""

import contextlib
import os
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from algoperf_jax.errors import UserError, one_line

_KIT = f"{Path(__file__).parent}{os.sep}"
_CATALOGUE = f"{Path(__file__).parent.parent / 'workloads'}{os.sep}"
"""The benchmark's workloads, which lie beside the kit."""
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_NOTE = "raised in the submission's "
_HINT = "hint: "


@contextlib.contextmanager
def in_hook(name: str) -> Iterator[None]:
    """Notes on an error raised inside that it comes from this hook."""
    try:
        yield
    except Exception as error:
        if not _hook_of(error):  # one that was called by another is the nearer one
            error.add_note(f"{_NOTE}{name}")
        raise


def explained(error: BaseException) -> str:
    """The error on one line, with the hook and the last line of a user's code that it came from.

    What the kit says itself it says without the error's kind.
    """
    text = " ".join(str(error).split()) if isinstance(error, UserError) else one_line(error)
    frames = own_frames(error)
    place = [f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}"] if frames else []
    found = [*_hook_of(error), *place]
    hints = [note.removeprefix(_HINT) for note in _notes(error) if note.startswith(_HINT)]
    return "; ".join([f"{text} ({'; '.join(found)})" if found else text, *hints])


def add_hint(error: BaseException, hint: str) -> None:
    """Notes on an error what its reader may do; `explained` says so."""
    error.add_note(f"{_HINT}{hint}")


def excerpt(frames: Sequence[traceback.FrameSummary]) -> str:
    """The frames with their lines of code, as a traceback shows them."""
    return "".join(traceback.format_list(frames)).rstrip()


def own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames, outermost first, that the kit called and that belong to no installed package."""
    frames = traceback.extract_tb(error.__traceback__)
    called = [i for i, frame in enumerate(frames) if frame.filename.startswith(_KIT)]
    return [frame for frame in frames[called[0] if called else 0 :] if _is_own(frame.filename)]


def _is_own(filename: str) -> bool:
    return not filename.startswith((*_INSTALLED, _KIT, _CATALOGUE, "<"))


def _hook_of(error: BaseException) -> list[str]:
    return [
        f"in the submission's {note.removeprefix(_NOTE)}"
        for note in _notes(error)
        if note.startswith(_NOTE)
    ]


def _notes(error: BaseException) -> Sequence[str]:
    return getattr(error, "__notes__", ())
