"""The part of every global batch that a process builds."""

from algoperf_jax.errors import UserError


def built_replicas(batch_size: int, replicas: int, replica_slice: range | None) -> range:
    """Returns the replicas whose parts a process builds.

    Args:
      batch_size: examples that all replicas together take.
      replicas: parts of a global batch, over all processes.
      replica_slice: those of this process; None: all.

    Raises:
      UserError: the replicas do not divide the batch size, or do not have the slice.
    """
    if replicas < 1 or batch_size < 1 or batch_size % replicas:
        raise UserError(
            f"batch size {batch_size} is not a positive multiple of the {replicas} replicas"
        )
    built = range(replicas) if replica_slice is None else replica_slice
    if not built or not set(built) <= set(range(replicas)):
        raise UserError(f"replica_slice {replica_slice} is not a part of range(0, {replicas})")
    return built
