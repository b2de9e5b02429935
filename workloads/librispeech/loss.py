from typing import NamedTuple
import jax
class Outputs(NamedTuple):
    logits: jax.Array
    lengths: jax.Array
