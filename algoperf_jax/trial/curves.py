"""The curves of one trial as a figure, for notebooks."""

from typing import TYPE_CHECKING, Any

from algoperf_jax.errors import UserError
from algoperf_jax.scoring.figure import INSTALL
from algoperf_jax.scoring.lines import line_style

if TYPE_CHECKING:
    from algoperf_jax.trial.result import Result

SPLITS = ("train", "validation", "test")
AXES = {"score": "submission time (s)", "global_step": "step"}


def metric_figure(result: "Result", metric: str, by: str) -> Any:
    """See `Result.plot`."""
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise UserError(f"a plot needs plotly; install it with {INSTALL}") from None
    rows = result.ledger.evaluations
    splits = [split for split in SPLITS if rows and f"{split}/{metric}" in rows[-1]]
    if not splits:
        there = sorted({name.partition("/")[2] for row in rows for name in row if "/" in name})
        raise UserError(f"there is no metric {metric!r}; there are {', '.join(there) or 'none'}")
    if by not in AXES:
        raise UserError(f"by: {by!r} given, it is one of {', '.join(AXES)}")
    figure = go.Figure()
    for number, split in enumerate(splits):
        style = line_style(number)
        figure.add_scatter(
            x=[row[by] for row in rows],
            y=[row.get(f"{split}/{metric}") for row in rows],
            name=split,
            mode="lines+markers",
            line={"color": style.light, "dash": style.dash},
        )
    if metric == result.target.metric:
        figure.add_hline(y=result.target.validation, line_dash="dot", annotation_text="target")
    figure.update_layout(
        title=result.name,
        xaxis_title=AXES[by],
        yaxis_title=metric.replace("_", " "),
        template="plotly_white",
    )
    return figure
