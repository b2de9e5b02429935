"""Translation of a batch of sentences: the model's encoder, then a beam search with its decoder."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from algoperf_jax.parameters import Params
from workloads.wmt.beam_search import BEAMS, Beams, Found, NextLogits, Stage, beam_search
from workloads.wmt.layers import KeysValues
from workloads.wmt.model import Transformer


class Decoder(NamedTuple):
    """A model and a batch of sources as `beam_search` takes them.

    Attributes:
      next_logits: predicts the next token of every beam.
      sources: the sources' ids, and what each block looks at in them.
      memory: the keys and values of each block, of nothing yet.
    """

    next_logits: NextLogits
    sources: Any
    memory: Callable[[Stage], tuple[KeysValues, ...]]


def translations(
    network: Transformer,
    params: Params,
    inputs: jax.Array,
    stages: Sequence[Stage],
    *,
    beams: int = BEAMS,
) -> Found:
    """Searches for the best translations.

    Args:
      network: the model.
      params: its parameters.
      inputs: int `[N, S]`, sources, 0 where there is nothing; rows of zeros are padding.
      stages: of the search, see `beam_search`.
      beams: of a sentence.
    """
    real = (jnp.asarray(inputs) != 0).any(axis=1)
    return beam_search(*decoder(network, params, inputs, beams), real, stages, beams=beams)


def decoder(network: Transformer, params: Params, inputs: jax.Array, beams: int) -> Decoder:
    """Encodes the sources, int `[N, S]`, and returns what decodes them with so many beams."""
    config = network.config
    size = config.features // config.num_heads

    def apply(method: Any, *arguments: Any) -> Any:
        return network.apply({"params": params}, *arguments, method=method)

    def memory(stage: Stage) -> tuple[KeysValues, ...]:
        places = stage.length * beams
        heads = (stage.sentences, config.num_heads)
        keys, values = jnp.zeros((*heads, size, places)), jnp.zeros((*heads, places, size))
        return (KeysValues(keys, values),) * config.num_layers

    def next_logits(state: Beams, sources: Any, pasts: Any) -> tuple[jax.Array, Any]:
        ids, keys_values = sources
        places = pasts[0].values.shape[2]
        mask_NxKxP = state.descends(places // beams).reshape(*state.newest.shape, places)
        return apply(
            network.step, state.newest, pasts, state.position, mask_NxKxP, keys_values, ids
        )

    sources = (jnp.asarray(inputs), apply(network.sources, apply(network.encode, inputs)))
    return Decoder(next_logits, sources, memory)
