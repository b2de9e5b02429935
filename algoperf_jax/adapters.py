"""Optax transformations that ask for more than `update(grads, state, params)`, made to fit.

The stock step offers a transformation's `update` keyword arguments (see `Submission`), and gives
each one those that it names. Within `optax.chain`, which takes all of them and hands all of them
on, an `update` with a closed signature needs `named_arguments`; so does one that calls them
otherwise, anywhere.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import optax

from algoperf_jax.errors import UserError
from algoperf_jax.parameters import Params


def named_arguments(
    transformation: optax.GradientTransformation, **renamed: str
) -> optax.GradientTransformationExtraArgs:
    """The transformation, given those of the offered arguments alone that its `update` names.

        optax.chain(optax.clip(1.0), named_arguments(optax.contrib.sam(...)))
        named_arguments(optax.contrib.sophia(1e-3), obj_fn="value_fn")

    Args:
      transformation: what to adapt; it may be one link of a chain.
      renamed: the name that it uses = the name under which the step offers it.

    Raises:
      UserError: while a step is traced: nothing is offered under that name, with what is.
    """

    def update(grads: Any, state: Any, params: Any = None, **offered: Any) -> tuple[Any, Any]:
        for name, offer in renamed.items():
            if offer not in offered:
                raise UserError(
                    f"named_arguments: {name}={offer!r} given, offered are {', '.join(offered)}"
                )
        given = {**offered, **{name: offered[offer] for name, offer in renamed.items()}}
        return transformation.update(grads, state, params, **accepted(transformation.update, given))

    return optax.GradientTransformationExtraArgs(transformation.init, update)


class SlowParams(NamedTuple):
    """State of `with_slow_params`: the slow parameters, like `params`, and optax's own state."""

    slow: Params
    inner: Any


def with_slow_params(lookahead: optax.GradientTransformation) -> optax.GradientTransformation:
    """`optax.lookahead(...)` on plain parameters, the slow ones kept in its state.

    Training goes on from the fast parameters; to evaluate the slow ones, as the paper does, give
    the submission `eval_view=lambda state, hp: (state.opt_state.slow, state.model_state)`.
    """

    def init(params: Params) -> SlowParams:
        return SlowParams(params, lookahead.init(optax.LookaheadParams.init_synced(params)))

    def update(grads: Any, state: SlowParams, params: Params = None) -> tuple[Any, SlowParams]:
        both = optax.LookaheadParams(fast=params, slow=state.slow)
        updates, inner = lookahead.update(grads, state.inner, both)
        slow = optax.apply_updates(state.slow, updates.slow)
        return updates.fast, SlowParams(slow, inner)

    return optax.GradientTransformation(init, update)


def accepted(update: Callable, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the offered keyword arguments that `update` takes."""
    parameters = list(inspect.signature(update).parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(offered)
    # The first three are gradient, state and parameters, whatever they are called.
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    names = keywords | {p.name for p in parameters[3:] if p.kind is p.POSITIONAL_OR_KEYWORD}
    return {name: value for name, value in offered.items() if name in names}


def remedy(error: Exception, offered: Iterable[str]) -> str | None:
    """The adapter that mends an error of an optax transformation; None where there is none.

    Args:
      error: as an update raised it.
      offered: names of the arguments that it was offered.
    """
    text = str(error)
    unexpected = (f"unexpected keyword argument '{name}'" for name in offered)
    if isinstance(error, TypeError) and any(words in text for words in unexpected):
        return (
            "within a chain, an update that does not take all that a step offers goes in "
            "algoperf_jax.named_arguments(...)"
        )
    if isinstance(error, AttributeError) and text.endswith("has no attribute 'fast'"):
        return "optax.lookahead goes in algoperf_jax.with_slow_params(...)"
    if isinstance(error, ValueError) and "obj_fn must be provided" in text:
        return 'put it in algoperf_jax.named_arguments(..., obj_fn="value_fn")'
    return None
