"""The translation model: an encoder-decoder Transformer (Vaswani et al. 2017, arXiv:1706.03762).

Source, target and logits share one embedding. Id 0 is the padding, the start of a target and the
unknown piece, all three. The letters in names of arrays are explained in `layers`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf_jax.workload import BatchNormMode
from workloads.wmt.config import Config
from workloads.wmt.layers import KeysValues, positions_table
from workloads.wmt.stacks import Decoder, Encoder


class Outputs(NamedTuple):
    """The logits of a batch as the factors of a product, which the loss takes part by part.

    Logits of a full batch, `[128, 256, 32000]`, take 4.2 GB.

    Attributes:
      hidden: float32 `[N, T, D]`.
      table: float32 `[V, D]`.
    """

    hidden: jax.Array
    table: jax.Array

    def logits(self) -> jax.Array:
        """All logits, float32 `[N, T, V]`."""
        return logits(self.hidden, self.table)


def logits(hidden: jax.Array, table_VxD: jax.Array) -> jax.Array:
    """The logits of tokens, float32 `[..., V]`, from their features `[..., D]`."""
    return hidden @ table_VxD.T / jnp.sqrt(jnp.float32(hidden.shape[-1]))


class Transformer(nn.Module):
    """The model. Parameter names and shapes are those of the MLCommons reference v0.6."""

    config: Config = Config()

    def setup(self) -> None:
        self.config.check()
        self.shared_embedding = nn.Embed(
            self.config.vocabulary_size,
            self.config.features,
            embedding_init=nn.initializers.normal(1.0),
        )
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)

    def __call__(
        self,
        batch: Mapping[str, jax.Array],
        *,
        train: bool,
        dropout_rate: float | jax.Array,
        batch_norm: BatchNormMode = "running",
    ) -> Outputs:
        """Predicts every target token from the source and the target tokens before it.

        The target is shifted by one place along its row, also where several sentences share it: a
        later one has the end of the one before as its start.

        Args:
          batch: `inputs` int `[N, S]`, `targets` int `[N, T]`, 0 where there is nothing. Rows that
            several sentences share also have `inputs_position`, `inputs_segmentation`,
            `targets_position` and `targets_segmentation` of the same shapes: places within the
            sentence, and the sentence's number from 1 on.
          train: whether dropout is on; if so, the random stream "dropout" is needed, unless the
            rate is the Python number 0.
          dropout_rate: scalar, may be traced; one rate for all places.
          batch_norm: without effect, there is none in this model.
        """
        del batch_norm
        inputs, targets = batch["inputs"], batch["targets"]
        source, target = batch.get("inputs_segmentation"), batch.get("targets_segmentation")
        encoded_NxSxD = self.encode(
            inputs, batch.get("inputs_position"), source, train=train, dropout_rate=dropout_rate
        )
        before = jnp.arange(targets.shape[1])
        mask_NxTxT = _pairs(targets, targets, target, target) & (before <= before[:, None])
        hidden_NxTxD = self.decoder(
            self._embedded(
                jnp.pad(targets, ((0, 0), (1, 0)))[:, :-1], batch.get("targets_position")
            ),
            mask_NxTxT,
            encoded_NxSxD,
            _pairs(targets, inputs, target, source),
            train=train,
            dropout_rate=dropout_rate,
        )
        return Outputs(hidden_NxTxD, self.shared_embedding.embedding)

    def encode(
        self,
        inputs_NxS: jax.Array,
        positions_NxS: jax.Array | None = None,
        segments_NxS: jax.Array | None = None,
        *,
        train: bool = False,
        dropout_rate: float | jax.Array = 0.0,
    ) -> jax.Array:
        """Returns the encoded source, float32 `[N, S, D]`; arguments as in `__call__`."""
        mask_NxSxS = _pairs(inputs_NxS, inputs_NxS, segments_NxS, segments_NxS)
        x_NxSxD = self._embedded(inputs_NxS, positions_NxS)
        return self.encoder(x_NxSxD, mask_NxSxS, train=train, dropout_rate=dropout_rate)

    def sources(self, encoded_NxSxD: jax.Array) -> tuple[KeysValues, ...]:
        """What the decoder's blocks look at in the encoded source, the same for every beam."""
        return self.decoder.sources(encoded_NxSxD)

    def step(
        self,
        tokens_NxK: jax.Array,
        pasts: tuple[KeysValues, ...],
        position: jax.Array,
        mask_NxKxP: jax.Array,
        sources: tuple[KeysValues, ...],
        inputs_NxS: jax.Array,
    ) -> tuple[jax.Array, tuple[KeysValues, ...]]:
        """Predicts the next token of every beam, without dropout.

        Args:
          tokens_NxK: int, the newest token of every beam.
          pasts: of each block, see `Attention.step`; so are `position` and `mask_NxKxP`.
          sources: of each block.
          inputs_NxS: int, the source; 0 is not looked at.

        Returns:
          Logits, float32 `[N, K, V]`, and the pasts with the new tokens in them.
        """
        hidden_NxKxD, pasts = self.decoder.step(
            self._embedded(tokens_NxK, jnp.full_like(tokens_NxK, position)),
            pasts,
            position,
            mask_NxKxP,
            sources,
            inputs_NxS[:, None] > 0,
        )
        return logits(hidden_NxKxD, self.shared_embedding.embedding), pasts

    def _embedded(self, tokens_NxT: jax.Array, positions_NxT: jax.Array | None) -> jax.Array:
        """Tokens and their places as float32 `[N, T, D]`."""
        table_TxD = jnp.asarray(positions_table(self.config.length, self.config.features))
        if positions_NxT is None:
            return self.shared_embedding(tokens_NxT) + table_TxD[: tokens_NxT.shape[1]]
        return self.shared_embedding(tokens_NxT) + table_TxD[positions_NxT]


def _pairs(
    asking_NxQ: jax.Array,
    asked_NxP: jax.Array,
    asking_segments_NxQ: jax.Array | None,
    asked_segments_NxP: jax.Array | None,
) -> jax.Array:
    """Which tokens may look at which, bool `[N, Q, P]`: both are some, of one sentence."""
    mask_NxQxP = (asking_NxQ > 0)[:, :, None] & (asked_NxP > 0)[:, None]
    if asking_segments_NxQ is None or asked_segments_NxP is None:
        return mask_NxQxP
    return mask_NxQxP & (asking_segments_NxQ[:, :, None] == asked_segments_NxP[:, None])
