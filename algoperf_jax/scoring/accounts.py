"""What trials say about themselves that does not fit the benchmark, their folder, or each other."""

from collections.abc import Callable, Iterator, Sequence

from algoperf_jax.rules import Conditions
from algoperf_jax.scoring.contents import Logged
from algoperf_jax.scoring.folders import TrialFolder
from algoperf_jax.scoring.input_warnings import InputWarning
from algoperf_jax.scoring.meta_data import MetaData

_Of = Callable[[MetaData], Sequence[str]]


def odd_accounts(
    folders: Sequence[Logged], conditions: Conditions, scale: str
) -> list[InputWarning]:
    """A warning for each trial, or submission, whose account is odd; all of them count.

    Args:
      folders: trials of log trees; those without an account are passed over.
      conditions: of the rules that are scored, which hold at scale full.
      scale: of the trials.
    """
    told = [(folder, account) for folder, account in folders if account is not None]
    warnings = []
    for folder, account in told:
        found = [*_of_another(folder, account)]
        if scale == "full":
            found += _not_as_ruled(account, conditions)
        if found:
            text = f"{folder.folder}: {'; '.join(found)}"
            warnings.append(InputWarning("odd account", text))
    for what, of, together in _ALIKE:
        warnings += _mixed(told, what, of, together)
    return warnings


def _of_another(folder: TrialFolder, account: MetaData) -> Iterator[str]:
    """Where the account is that of another trial than the folder's names say."""
    for name in ("submission", "workload", "study", "trial"):
        own = account.configuration.get(name)
        if own is not None and own != getattr(folder, name):
            yield f"its account is of {name} {own!r}"


def _not_as_ruled(account: MetaData, conditions: Conditions) -> Iterator[str]:
    """Where a trial at scale full was run in another way than the rules have it."""
    configuration = account.configuration
    if (steps := configuration.get("eval_every_steps")) is not None:
        yield f"it was evaluated every {steps} steps, not by time"
    if (steps := configuration.get("max_steps")) is not None:
        yield f"it was to end after {steps} steps"
    replicas = configuration.get("replicas")
    if replicas is not None and replicas != conditions.replicas:
        yield f"it has {replicas} replicas, the rules have {conditions.replicas}"


def _batch_size(account: MetaData) -> Sequence[str]:
    size = account.configuration.get("batch_size")
    return [] if size is None else [repr(size)]


def _source(account: MetaData) -> Sequence[str]:
    checksum = account.configuration.get("submission_source")
    return [] if checksum is None else [str(checksum)[:12]]


def _devices(account: MetaData) -> Sequence[str]:
    return account.devices


# What has to be the same in all trials of a submission, or of it on one workload.
_ALIKE: Sequence[tuple[str, _Of, Sequence[str]]] = (
    ("batch sizes", _batch_size, ("submission", "workload")),
    ("versions of the submission's files", _source, ("submission",)),
    ("devices", _devices, ("submission",)),
)


def _mixed(
    told: Sequence[tuple[TrialFolder, MetaData]], what: str, of: _Of, together: Sequence[str]
) -> Iterator[InputWarning]:
    first: dict[tuple[str, ...], dict[str, str]] = {}
    for folder, account in told:
        key = tuple(getattr(folder, name) for name in together)
        for value in of(account):
            first.setdefault(key, {}).setdefault(value, folder.folder)
    for key, found in first.items():
        if len(found) > 1:
            places = ", ".join(f"{value} in {place}" for value, place in found.items())
            text = f"{' on '.join(key)} has several {what}: {places}"
            yield InputWarning("mixed accounts", text)
