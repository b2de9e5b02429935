"""What distinguishes one translation model from another."""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import flax.linen as nn
import jax

from workloads.wmt.layers import Attention, MlpBlock

Norm = Literal["pre", "post"]


class Config(NamedTuple):
    """What distinguishes one translation model from another; the defaults are the benchmark's.

    Attributes:
      vocabulary_size: pieces V.
      features: width D of a token; even, and a multiple of `num_heads`.
      num_heads: heads of each attention.
      mlp_dim: width of the layer in the middle of each MLP.
      num_layers: of the encoder, and of the decoder.
      length: the most tokens of a row.
      norm: "pre" normalises what goes into attention and MLP, and the outcome; "post" normalises
        the sums behind them.
      activation: of the MLPs, a name of `algoperf_jax.nn.activations`.
      gated_mlp: whether the MLPs have a gate.
      attention_temperature: multiplies the scores of all attentions.
      attention_dropout_rate: share of the attention weights that is dropped in training. The
        benchmark's v0.6 has none; its v0.5 had 0.1 unless a submission said otherwise.
    """

    vocabulary_size: int = 32_000
    features: int = 1024
    num_heads: int = 16
    mlp_dim: int = 1024
    num_layers: int = 6
    length: int = 256
    norm: Norm = "pre"
    activation: str = "relu"
    gated_mlp: bool = False
    attention_temperature: float = 1.0
    attention_dropout_rate: float = 0.0

    def attention(self) -> Attention:
        """A new attention layer."""
        return Attention(
            self.features,
            self.num_heads,
            self.attention_temperature,
            self.attention_dropout_rate,
        )

    def mlp(self) -> MlpBlock:
        """A new MLP."""
        return MlpBlock(self.features, self.mlp_dim, self.activation, self.gated_mlp)

    def residual(
        self, norm: nn.LayerNorm, x: jax.Array, sublayer: Callable[[jax.Array], jax.Array]
    ) -> jax.Array:
        """`x` and what a sublayer adds to it, normalised before or behind it."""
        return x + sublayer(norm(x)) if self.norm == "pre" else norm(x + sublayer(x))

    def check(self) -> None:
        """Raises a `ValueError` where the fields do not make a model."""
        if self.features % self.num_heads:
            raise ValueError(
                "The width must be a multiple of the number of heads; got width "
                f"{self.features} and {self.num_heads} heads."
            )
        if self.norm not in get_args(Norm):
            raise ValueError(f"Unknown norm {self.norm!r}; known are {', '.join(get_args(Norm))}.")
