"""The translation model: an encoder-decoder Transformer (Vaswani et al. 2017, arXiv:1706.03762).

Source, target and logits share one embedding. Id 0 is the padding, the start of a target and the
unknown piece, all three. The letters in names of arrays are explained in `layers`.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf_jax.nn.dropout import Dropout
from algoperf_jax.workload import BatchNormMode
from workloads.wmt.layers import (
    Attention,
    KeysValues,
    MlpBlock,
    layer_norm,
    positions_table,
)

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


class EncoderBlock(nn.Module):
    """Self-attention, then an MLP, each with a residual connection and a layer norm."""

    config: Config

    def setup(self) -> None:
        self.LayerNorm_0, self.LayerNorm_1 = layer_norm(), layer_norm()
        self.MultiHeadDotProductAttention_0 = self.config.attention()
        self.MlpBlock_0 = self.config.mlp()
        self.drop = Dropout()

    def __call__(
        self,
        x_NxSxD: jax.Array,
        mask_NxSxS: jax.Array,
        *,
        train: bool,
        dropout_rate: float | jax.Array,
    ) -> jax.Array:
        """Returns float32 `[N, S, D]`."""

        def attend(a_NxSxD: jax.Array) -> jax.Array:
            attention = self.MultiHeadDotProductAttention_0
            found = attention(a_NxSxD, attention.keys_values(a_NxSxD), mask_NxSxS, train=train)
            return self.drop(found, dropout_rate, deterministic=not train)

        def mlp(a_NxSxD: jax.Array) -> jax.Array:
            return self.MlpBlock_0(a_NxSxD, train=train, dropout_rate=dropout_rate)

        x_NxSxD = self.config.residual(self.LayerNorm_0, x_NxSxD, attend)
        return self.config.residual(self.LayerNorm_1, x_NxSxD, mlp)


class Encoder(nn.Module):
    """The encoder's blocks, and a layer norm behind them where the norm is "pre"."""

    config: Config

    def setup(self) -> None:
        self.drop = Dropout()
        self.encoderblock = [EncoderBlock(self.config) for _ in range(self.config.num_layers)]
        if self.config.norm == "pre":
            self.encoder_layernorm = layer_norm()

    def __call__(
        self,
        x_NxSxD: jax.Array,
        mask_NxSxS: jax.Array,
        *,
        train: bool,
        dropout_rate: float | jax.Array,
    ) -> jax.Array:
        """Returns float32 `[N, S, D]`."""
        x_NxSxD = self.drop(x_NxSxD, dropout_rate, deterministic=not train)
        for block in self.encoderblock:
            x_NxSxD = block(x_NxSxD, mask_NxSxS, train=train, dropout_rate=dropout_rate)
        return self.encoder_layernorm(x_NxSxD) if self.config.norm == "pre" else x_NxSxD


class DecoderBlock(nn.Module):
    """Self-attention, attention to the source, an MLP, each with a residual and a layer norm."""

    config: Config

    def setup(self) -> None:
        self.LayerNorm_0, self.LayerNorm_1, self.LayerNorm_2 = (layer_norm() for _ in range(3))
        self.MultiHeadDotProductAttention_0 = self.config.attention()
        self.MultiHeadDotProductAttention_1 = self.config.attention()
        self.MlpBlock_0 = self.config.mlp()
        self.drop = Dropout()

    def source(self, encoded_NxSxD: jax.Array) -> KeysValues:
        """What this block looks at in the encoded source."""
        return self.MultiHeadDotProductAttention_1.keys_values(encoded_NxSxD)

    def __call__(
        self,
        y_NxTxD: jax.Array,
        mask_NxTxT: jax.Array,
        source: KeysValues,
        source_mask_NxTxS: jax.Array,
        *,
        train: bool,
        dropout_rate: float | jax.Array,
    ) -> jax.Array:
        """Returns float32 `[N, T, D]`."""

        def attend(a_NxTxD: jax.Array) -> jax.Array:
            attention = self.MultiHeadDotProductAttention_0
            return attention(a_NxTxD, attention.keys_values(a_NxTxD), mask_NxTxT, train=train)

        return self._sublayers(y_NxTxD, attend, source, source_mask_NxTxS, train, dropout_rate)

    def step(
        self,
        y_NxKxD: jax.Array,
        past: KeysValues,
        position: jax.Array,
        mask_NxKxP: jax.Array,
        source: KeysValues,
        source_mask_Nx1xS: jax.Array,
    ) -> tuple[jax.Array, KeysValues]:
        """The newest token of every beam, see `Attention.step`; `[N, K, D]` and the new past."""
        a_NxKxD = self.LayerNorm_0(y_NxKxD) if self.config.norm == "pre" else y_NxKxD
        found_NxKxD, past = self.MultiHeadDotProductAttention_0.step(
            a_NxKxD, past, position, mask_NxKxP
        )
        y_NxKxD = self._sublayers(
            y_NxKxD, lambda _: found_NxKxD, source, source_mask_Nx1xS, False, 0.0
        )
        return y_NxKxD, past

    def _sublayers(
        self,
        y_NxTxD: jax.Array,
        attend: Callable[[jax.Array], jax.Array],
        source: KeysValues,
        source_mask_NxTxS: jax.Array,
        train: bool,
        dropout_rate: float | jax.Array,
    ) -> jax.Array:
        def drop(found_NxTxD: jax.Array) -> jax.Array:
            return self.drop(found_NxTxD, dropout_rate, deterministic=not train)

        def attend_source(a_NxTxD: jax.Array) -> jax.Array:
            attention = self.MultiHeadDotProductAttention_1
            return drop(attention(a_NxTxD, source, source_mask_NxTxS, train=train))

        def mlp(a_NxTxD: jax.Array) -> jax.Array:
            return self.MlpBlock_0(a_NxTxD, train=train, dropout_rate=dropout_rate)

        residual = self.config.residual
        y_NxTxD = residual(self.LayerNorm_0, y_NxTxD, lambda a_NxTxD: drop(attend(a_NxTxD)))
        y_NxTxD = residual(self.LayerNorm_1, y_NxTxD, attend_source)
        return residual(self.LayerNorm_2, y_NxTxD, mlp)


class Decoder(nn.Module):
    """The decoder's blocks, and a layer norm behind them where the norm is "pre"."""

    config: Config

    def setup(self) -> None:
        self.drop = Dropout()
        self.encoderdecoderblock = [
            DecoderBlock(self.config) for _ in range(self.config.num_layers)
        ]
        if self.config.norm == "pre":
            self.encoderdecoder_layernorm = layer_norm()

    def sources(self, encoded_NxSxD: jax.Array) -> tuple[KeysValues, ...]:
        """What each block looks at in the encoded source."""
        return tuple(block.source(encoded_NxSxD) for block in self.encoderdecoderblock)

    def __call__(
        self,
        y_NxTxD: jax.Array,
        mask_NxTxT: jax.Array,
        encoded_NxSxD: jax.Array,
        source_mask_NxTxS: jax.Array,
        *,
        train: bool,
        dropout_rate: float | jax.Array,
    ) -> jax.Array:
        """Returns float32 `[N, T, D]`."""
        y_NxTxD = self.drop(y_NxTxD, dropout_rate, deterministic=not train)
        for block in self.encoderdecoderblock:
            y_NxTxD = block(
                y_NxTxD,
                mask_NxTxT,
                block.source(encoded_NxSxD),
                source_mask_NxTxS,
                train=train,
                dropout_rate=dropout_rate,
            )
        return self._normalised(y_NxTxD)

    def step(
        self,
        y_NxKxD: jax.Array,
        pasts: tuple[KeysValues, ...],
        position: jax.Array,
        mask_NxKxP: jax.Array,
        sources: tuple[KeysValues, ...],
        source_mask_Nx1xS: jax.Array,
    ) -> tuple[jax.Array, tuple[KeysValues, ...]]:
        """The newest token of every beam, see `Attention.step`; `[N, K, D]` and the new pasts."""
        new = []
        for block, past, source in zip(self.encoderdecoderblock, pasts, sources, strict=True):
            y_NxKxD, past = block.step(
                y_NxKxD, past, position, mask_NxKxP, source, source_mask_Nx1xS
            )
            new.append(past)
        return self._normalised(y_NxKxD), tuple(new)

    def _normalised(self, y_NxTxD: jax.Array) -> jax.Array:
        return self.encoderdecoder_layernorm(y_NxTxD) if self.config.norm == "pre" else y_NxTxD


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
