"""Encoder and decoder of the translation model: stacks of blocks of attention and MLP.

The letters in names of arrays are explained in `layers`.
"""

from collections.abc import Callable

import flax.linen as nn
import jax

from algoperf_jax.nn.dropout import Dropout
from workloads.wmt.config import Config
from workloads.wmt.layers import KeysValues, layer_norm


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
