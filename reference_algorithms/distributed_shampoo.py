"""Distributed Shampoo, the winner of v0.5 under external tuning."""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms import inverse_roots, kronecker
from reference_algorithms.batch_sizes import deviating
from reference_algorithms.schedules import warmup_cosine_wave

HYPERPARAMETERS = (
    "learning_rate",
    "one_minus_beta1",
    "one_minus_beta2",
    "one_minus_momentum",
    "weight_decay",
    "root_override",
    "graft",
    "warmup_factor",
    "label_smoothing",
    "dropout_rate",
    "nadam",
    "step_hint_factor",
)

# fmt: off
SEARCH_SPACE = [
    dict(zip(HYPERPARAMETERS, values, strict=True))
    for values in (
        (0.0017486387539278373, 0.06733926164, 0.00448403102, 1.0, 0.08121616522670176,
         0, "adam", 0.02, 0.0, 0.1, True, 1.0),
        (0.0014381744028656841, 0.025337537053408913, 0.02508024059481679, 1.0,
         0.00019716633625688372, 0, "adam", 0.05, 0.2, 0.0, True, 0.6),
        (4.199449275251465, 1.0, 0.0023701743773090066, 0.03150207249544311,
         6.404237434173623e-05, 0, "sgd", 0.02, 0.1, 0.0, False, 1.0),
        (0.0012, 0.016610699316537858, 0.005888216674053163, 0.5, 0.00040349948255455174,
         2, "adam", 0.02, 0.1, 0.1, True, 1.0),
        (0.001308209823469072, 0.02686663061, 0.00187670778, 1.0, 0.16375311233774334,
         0, "adam", 0.1, 0.1, 0.0, True, 1.0),
    )
]
# fmt: on

LONGEST_PRECONDITIONED_AXIS = 999_999
"""Tensors with a longer axis, tables of embeddings, follow Adam alone."""


class DistributedShampooState(NamedTuple):
    """State of `scale_by_distributed_shampoo`.

    Attributes:
      count: int32 scalar, updates so far.
      mu: averaged gradients, a tree like the parameters.
      nu: their averaged squares, likewise.
      statistics: averaged second moments of every block along each of its axes.
      roots: their inverse roots, as last computed.
    """

    count: jax.Array
    mu: optax.Updates
    nu: optax.Updates
    statistics: kronecker.Factors
    roots: kronecker.Factors


def scale_by_distributed_shampoo(
    b1: float,
    b2: float,
    nadam: bool = False,
    graft: Literal["adam", "sgd"] = "adam",
    root_override: int = 0,
    every: int = 100,
    block_size: int = 1024,
    eps: float = 1e-8,
) -> optax.GradientTransformation:
    """Preconditions averaged gradients block by block, with the step size of Adam or of SGD.

        m_t = b1 m_(t-1) + (1 - b1) g_t        f_t = m_t / (1 - b1^t)
        f_t = (b1 m_t + (1 - b1) g_t) / (1 - b1^t)                          with nadam
        v_t = b2 v_(t-1) + (1 - b2) g_t^2      a_t = f_t / (sqrt(v_t / (1 - b2^t)) + eps), or f_t
        L_a = b2 L_a + (1 - b2) G_(a) G_(a)'   G_(a): g_t with axis a first, the others flattened
        R_a = (L_a / (1 - b2^t) + eps I)^(-1 / root)         anew at t = every, 2 every, ...
        D = f_t multiplied along each axis a by R_a
        u_t = a_t for t < every, then D |a_t| / |D|          norms of a block

    `root` is twice the number of axes unless it is given. Axes of size 1 are dropped, small
    neighbouring axes merged and long ones cut into blocks; every block has its own L_a. A root that
    comes out not finite is replaced by the one before it.

    Args:
      b1, b2: decay rates of gradients and of their squares.
      nadam: whether the present gradient enters a second time.
      graft: whose step size blocks take over.
      root_override: the root of all blocks alike, 0 for twice their number of axes.
      every: steps between computations of the roots, and before the first.
      block_size: longest axis of a block.
      eps: in the denominator of Adam, and on the diagonals before a root.

    References:
      Shi et al., A Distributed Data-Parallel PyTorch Implementation of the Distributed Shampoo
      Optimizer for Training Neural Networks At-Scale, 2023 (https://arxiv.org/abs/2309.06497).
    """

    def is_chosen(tensor: jax.Array) -> bool:
        return max(tensor.shape, default=1) <= LONGEST_PRECONDITIONED_AXIS

    def chosen(tree: optax.Updates) -> list[jax.Array]:
        return [x for x in jax.tree.leaves(tree) if is_chosen(x)]

    def cuts(tensors: list[jax.Array]) -> list[kronecker.Cut]:
        return [kronecker.cut(x.shape, block_size, block_size) for x in tensors]

    def init(params: optax.Params) -> DistributedShampooState:
        tensors = chosen(params)
        stacks = jax.eval_shape(lambda x: kronecker.gather(x, cuts(x)), tensors)
        return DistributedShampooState(
            jnp.int32(0),
            jax.tree.map(jnp.zeros_like, params),
            jax.tree.map(jnp.zeros_like, params),
            kronecker.scaled_identities(stacks, 0.0),
            kronecker.scaled_identities(stacks, 1.0),
        )

    def root(matrices: jax.Array, order: int) -> jax.Array:
        new = inverse_roots.by_eigenvalues(matrices, root_override or 2 * order, eps)
        is_finite = jnp.isfinite(new).all(axis=(1, 2), keepdims=True)
        return jnp.where(is_finite, new, jnp.nan)

    def update(
        updates: optax.Updates, state: DistributedShampooState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, DistributedShampooState]:
        del params
        t = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)
        filtered = optax.tree.update_moment(updates, mu, b1, 1) if nadam else mu
        filtered = optax.tree.bias_correction(filtered, b1, t)

        def grafted(f: jax.Array, v: jax.Array) -> jax.Array:
            if graft == "sgd" and is_chosen(f):
                return f
            return f / (jnp.sqrt(v / (1.0 - b2**t)) + eps)

        sizes = jax.tree.map(grafted, filtered, nu)
        tensors = chosen(updates)
        where = cuts(tensors)
        statistics = kronecker.averaged(state.statistics, kronecker.gather(tensors, where), b2)
        corrected = jax.tree.map(lambda s: s / (1.0 - b2**t), statistics)
        new_roots = functools.partial(kronecker.recomputed, root)
        roots = jax.lax.cond(t % every == 0, new_roots, lambda _, old: old, corrected, state.roots)

        def preconditioned(shape: str, f: jax.Array, size: jax.Array) -> jax.Array:
            direction = kronecker.multiplied(f, roots[shape])
            norms = kronecker.block_norms(size) / (kronecker.block_norms(direction) + 1e-16)
            return jnp.where(t >= every, direction * norms, size)

        sources = kronecker.gather(chosen(filtered), where)
        goals = kronecker.gather(chosen(sizes), where)
        directions = {s: preconditioned(s, sources[s], goals[s]) for s in sources}
        results = iter(kronecker.scatter(directions, where, tensors))
        new = jax.tree.map(lambda size: next(results) if is_chosen(size) else size, sizes)
        return new, DistributedShampooState(t, mu, nu, statistics, roots)

    return optax.GradientTransformation(init, update)


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """`scale_by_distributed_shampoo` with weight decay and, if the point says so, momentum.

        s_t = u_t + wd p_(t-1)              M_t = mu M_(t-1) + (1 - mu) s_t
        p_t = p_(t-1) - lr_t ((1 - mu) s_t + mu M_t)                  s_t alone where mu is 0

    Here every device computes all roots; the submission divided them among its devices.

    Args:
      hyperparameters: `learning_rate` (the peak), `one_minus_beta1`, `one_minus_beta2`,
        `one_minus_momentum` (1 for none), `weight_decay`, `root_override`, `graft` (`"adam"` or
        `"sgd"`), `nadam`, `step_hint_factor` (the horizon as part of the step hint),
        `warmup_factor` (part of the horizon).
      problem: gives the step hint.
    """
    h = hyperparameters
    momentum = 1.0 - h.one_minus_momentum
    horizon = h.step_hint_factor * problem.step_hint
    averaged = [optax.trace(momentum, nesterov=True), optax.scale(1.0 - momentum)]
    return optax.chain(
        scale_by_distributed_shampoo(
            1.0 - h.one_minus_beta1,
            1.0 - h.one_minus_beta2,
            nadam=h.nadam,
            graft=h.graft,
            root_override=h.root_override,
        ),
        optax.add_decayed_weights(h.weight_decay),
        *(averaged if momentum else []),
        optax.scale_by_learning_rate(warmup_cosine_wave(h.learning_rate, horizon, h.warmup_factor)),
    )


submission = Submission(
    name="distributed_shampoo",
    description="Distributed Shampoo at five published points (v0.5, v0.6, external)",
    optimizer=optimizer,
    hyperparameters=SEARCH_SPACE[0],
    batch_size=deviating(librispeech_conformer=200, librispeech_deepspeech=224),
    search_space=SEARCH_SPACE,
)
