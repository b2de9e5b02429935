"""What a trial came to, for the code that ran it."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from algoperf_jax.errors import UserError
from algoperf_jax.problem import TrainState
from algoperf_jax.rules import Target
from algoperf_jax.trial.ledger import Ledger, Outcome

if TYPE_CHECKING:
    import polars as pl


class TrialFailed(Exception):
    """An error of the submission ended its trial; raised where the caller wants that."""


@dataclasses.dataclass(frozen=True, repr=False)
class Result:
    """What a trial came to.

    Attributes:
      outcome: how it ended.
      ledger: its steps, times and rows.
      state: the last training state as host arrays, None for a failed trial.
      folder: where its record lies, if it has one.
      target: the metric and its target values.
      name: of workload and submission, for people.
      traceback: of the error that ended a failed trial.
      excerpt: that part of it which lies in the user's own code.
    """

    outcome: Outcome
    ledger: Ledger
    state: TrainState | None
    folder: Path | None
    target: Target
    name: str
    traceback: str | None = None
    excerpt: str = ""

    def __repr__(self) -> str:
        parts = [f"{self.outcome.status}: {self.outcome.reason}"]
        if self.ledger.evaluations:
            metric = self.target.metric
            best = max if self.target.direction == "max" else min
            value = best(row[f"validation/{metric}"] for row in self.ledger.evaluations)
            parts.append(f"best {metric} {value:.5g} (target {self.target.validation:.5g})")
        parts.append(f"{self.ledger.step} steps, {self.ledger.submission_seconds:.1f} s")
        return f"<Result of {self.name}: {'; '.join(parts)}>"

    def frame(self) -> "pl.DataFrame":
        """A row per evaluation, with the columns of `eval_measurements.csv`."""
        import polars as pl

        return pl.DataFrame(self.ledger.evaluations, infer_schema_length=None)

    def to_pandas(self) -> Any:
        """The same for pandas, which has to be installed.

        Raises:
          UserError: it is not.
        """
        try:
            import pandas
        except ImportError:
            raise UserError("to_pandas needs pandas; frame() gives the same for polars") from None
        return pandas.DataFrame(self.ledger.evaluations)

    def plot(self, metric: str | None = None, *, by: str = "score") -> Any:
        """A plotly figure of a metric on the training subset, validation and test split.

        Args:
          metric: its name without the split; None for the target's.
          by: the column of the horizontal axis: `"score"`, submission time in seconds, or
            `"global_step"`.

        Raises:
          UserError: plotly is not installed, or there is no such metric.
        """
        from algoperf_jax.trial.curves import metric_figure

        return metric_figure(self, metric or self.target.metric, by)
