"""Shampoo, and what the benchmark's archived baseline of that name really computes."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_jax.problem import Hyperparameters, Problem
from algoperf_jax.submission import Submission
from reference_algorithms import adamw, inverse_roots, kronecker
from reference_algorithms.schedules import warmup_cosine
from reference_algorithms.search_spaces import (
    ADAPTIVE_LEARNING_RATE,
    REGULARIZATION,
    WARMUP,
    log_range,
    one_of,
    without_beta1,
)

SEARCH_SPACE = {
    **ADAPTIVE_LEARNING_RATE,
    "one_minus_beta1": log_range(1e-2, 0.15),
    "beta2": one_of(0.999),
    **WARMUP,
    "weight_decay": log_range(5e-3, 1.0),
    **REGULARIZATION,
}

LARGEST_ERROR = 0.1  # of an inverse root that is still used


class ShampooState(NamedTuple):
    """State of `scale_by_shampoo`.

    Attributes:
      count: int32 scalar, updates so far.
      graft: state of the transformation that gives the updates their size.
      statistics: averaged second moments of every block along each of its axes.
      roots: their inverse roots, as last computed.
    """

    count: jax.Array
    graft: optax.OptState
    statistics: kronecker.Factors
    roots: kronecker.Factors


def scale_by_shampoo(
    graft: optax.GradientTransformation,
    b2: float = 0.999,
    start: int = 101,
    every: int = 20,
    largest_axis: int = 4096,
    block_size: int = 1024,
    ridge: float = 1e-6,
) -> optax.GradientTransformation:
    """Preconditions along every axis of a tensor, with the step size of another transformation.

        L_a = b2 L_a + (1 - b2) G_(a) G_(a)'        G_(a): G with axis a first, the others flattened
        D = G multiplied along each axis a by (L_a + ridge l_max(L_a) I)^(-1 / (2 order))
        u = D |graft(G)| / |D|                      norms of a whole tensor

    Small neighbouring axes are merged, long ones cut into blocks, and every block has its own L_a,
    which start at `ridge I`. A root that fails to converge is replaced by the one before it.

    Args:
      graft: its update is used before step `start`, and its norm from then on.
      b2: decay rate of the statistics.
      start: first step (from 0) whose update is preconditioned.
      every: steps between computations of the roots.
      largest_axis: up to this size axes are merged; a tensor with a longer one is left to `graft`.
      block_size: longest axis of a block.
      ridge: regularisation of the roots, in units of the largest eigenvalue.

    References:
      Gupta, Koren and Singer, Shampoo: Preconditioned Stochastic Tensor Optimization, 2018
      (https://arxiv.org/abs/1802.09568); Anil et al., Scalable Second Order Optimization for Deep
      Learning, 2020 (https://arxiv.org/abs/2002.09018).
    """

    def chosen(tree: optax.Updates) -> tuple[list[jax.Array], list[kronecker.Cut]]:
        """The tensors to precondition and their cuts."""
        small = [x for x in jax.tree.leaves(tree) if max(x.shape, default=1) <= largest_axis]
        return small, [kronecker.cut(x.shape, largest_axis, block_size) for x in small]

    def init(params: optax.Params) -> ShampooState:
        stacks = jax.eval_shape(lambda p: kronecker.gather(*chosen(p)), params)
        return ShampooState(
            jnp.int32(0),
            graft.init(params),
            kronecker.scaled_identities(stacks, ridge),
            kronecker.scaled_identities(stacks, 1.0),
        )

    def root(matrices: jax.Array, order: int) -> jax.Array:
        new, error = inverse_roots.by_newton(matrices, 2 * order, ridge)
        # A comparison with NaN is False, so a failed root never passes for a good one.
        return jnp.where((error < LARGEST_ERROR)[:, None, None], new, jnp.nan)

    def update(
        updates: optax.Updates, state: ShampooState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, ShampooState]:
        grafted, graft_state = graft.update(updates, state.graft, params)
        tensors, cuts = chosen(updates)
        stacks = kronecker.gather(tensors, cuts)
        statistics = kronecker.averaged(state.statistics, stacks, b2)
        # Roots that would be replaced before their first use are not computed.
        is_due = (state.count % every == 0) & (state.count + every >= start)
        new_roots = functools.partial(kronecker.recomputed, root)
        roots = jax.lax.cond(is_due, new_roots, lambda _, old: old, statistics, state.roots)
        directions = {s: kronecker.multiplied(stack, roots[s]) for s, stack in stacks.items()}
        preconditioned = iter(kronecker.scatter(directions, cuts, tensors))

        def chosen_update(size: jax.Array, gradient: jax.Array) -> jax.Array:
            if max(gradient.shape, default=1) > largest_axis:
                return size
            direction = next(preconditioned)
            factor = jnp.linalg.norm(size) / (jnp.linalg.norm(direction) + 1e-25)
            return jnp.where(state.count >= start, direction * factor, size)

        leaves, structure = jax.tree.flatten(grafted)
        leaves = map(chosen_update, leaves, jax.tree.leaves(updates))
        count = optax.safe_increment(state.count)
        return structure.unflatten(leaves), ShampooState(count, graft_state, statistics, roots)

    return optax.GradientTransformation(init, update)


def normalised_rmsprop(b2: float) -> optax.GradientTransformation:
    """RMSProp of gradients that are normalised tensor by tensor, the graft of the baseline.

    `n_t = g_t / (|g_t| + 1e-25)`, `v_t = b2 v_(t-1) + (1 - b2) n_t^2`, `u_t = n_t / (sqrt(v_t) +
    1e-8)`.
    """
    normalise = optax.stateless_with_tree_map(lambda g, _: g / (jnp.sqrt(jnp.sum(g**2)) + 1e-25))
    return optax.chain(normalise, optax.scale_by_rms(b2, eps=1e-8, eps_in_sqrt=False))


def _with_momentum(
    direction: optax.GradientTransformation, hyperparameters: Hyperparameters, problem: Problem
) -> optax.GradientTransformation:
    """Weight decay, Nesterov's averaged momentum and learning rate, in this order."""
    h = hyperparameters
    beta1 = 1.0 - h.one_minus_beta1
    return optax.chain(
        direction,
        optax.add_decayed_weights(h.weight_decay),
        optax.trace(beta1, nesterov=True),
        optax.scale(1.0 - beta1),
        optax.scale_by_learning_rate(
            warmup_cosine(h.learning_rate, problem.step_hint, h.warmup_factor)
        ),
    )


def optimizer(hyperparameters: Hyperparameters, problem: Problem) -> optax.GradientTransformation:
    """Shampoo grafted onto normalised RMSProp, with the constants of the archived baseline.

        s_t = u_t + wd p_(t-1)              m_t = b1 m_(t-1) + (1 - b1) s_t
        p_t = p_(t-1) - lr_t ((1 - b1) s_t + b1 m_t)

    with u_t of `scale_by_shampoo`.

    Args:
      hyperparameters: `learning_rate` (the peak), `one_minus_beta1`, `beta2`, `warmup_factor`
        (part of the step hint), `weight_decay`.
      problem: gives the step hint.
    """
    b2 = hyperparameters.beta2
    direction = scale_by_shampoo(normalised_rmsprop(b2), b2)
    return _with_momentum(direction, hyperparameters, problem)


def archived_optimizer(
    hyperparameters: Hyperparameters, problem: Problem
) -> optax.GradientTransformation:
    """The archived baseline as it ran: `optimizer` without any preconditioning.

    A default of the baseline's code excludes every tensor from being preconditioned, so all of
    its published results are those of the graft, normalised RMSProp, with weight decay and
    momentum.
    """
    direction = normalised_rmsprop(hyperparameters.beta2)
    return _with_momentum(direction, hyperparameters, problem)


submission = Submission(
    name="shampoo",
    description="Shampoo grafted onto normalised RMSProp, warm-up and cosine decay",
    optimizer=optimizer,
    hyperparameters={**adamw.submission.hyperparameters, "learning_rate": 1e-3},
    search_space=SEARCH_SPACE,
)

no_beta1 = without_beta1(submission)

archived = dataclasses.replace(
    submission,
    name="shampoo_archived",
    description="The benchmark's Shampoo baseline as it ran: normalised RMSProp",
    optimizer=archived_optimizer,
)

archived_no_beta1 = without_beta1(archived)
