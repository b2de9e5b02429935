"""One replica's program, mapped over the devices there are.

A replica is one of the accelerators of the benchmark's hardware (eight by default). A step is
written as the program of one replica and mapped with `jax.pmap` over the local devices; a device
that has to carry several replicas walks them one after the other (`Lanes`). Because every reduction
is a sum, one device with eight replicas computes what eight devices with one replica each compute,
to rounding.

A "stacked" tree has leading axes `[devices, ...]` (state, equal on all devices) or
`[devices, lanes, ...]` (batches), lanes being the replicas that a device carries.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_jax.data.batch_share import BatchShare
from algoperf_jax.errors import UserError
from algoperf_jax.trial import linear
from algoperf_jax.workload import AXIS, LANE

MOST_UNROLLED = 8
"""More lanes than the benchmark has accelerators are walked in a loop on CPUs too: the program and
the time to compile it grow with each lane that is written out (2.5 times the loop's at eight)."""


@dataclasses.dataclass(frozen=True)
class Lanes:
    """The replicas that one device carries, and how its program walks them.

    Attributes:
      count: how many there are.
      order: `"unrolled"`: one after the other, the program written out for each; `"loop"`: one
        after the other in a loop of the compiled program, which holds them once; `"side by side"`:
        all at once under `vmap`, at the memory of all of them.
    """

    count: int
    order: Literal["unrolled", "loop", "side by side"]


@dataclasses.dataclass(frozen=True)
class Replicas:
    """How the replicas of a job lie on its devices.

    Attributes:
      count: replicas in the whole job.
      devices: the devices of this process that carry them.
      process_index, process_count: this process among the job's processes.
      matmul_precision: of float32 products in mapped programs, see `rules.Conditions`.
    """

    count: int
    devices: tuple[jax.Device, ...]
    process_index: int = 0
    process_count: int = 1
    matmul_precision: str = "float32"

    @property
    def lanes(self) -> int:
        """Replicas carried by each device."""
        return self.count // (len(self.devices) * self.process_count)

    @property
    def local(self) -> range:
        """Indices of the replicas of this process, whose part of each batch it feeds."""
        per_process = self.count // self.process_count
        return range(self.process_index * per_process, (self.process_index + 1) * per_process)

    def share(self, batch_size: int) -> BatchShare:
        """What this process builds of a global batch of that size."""
        return BatchShare(batch_size, self.count, self.local)

    def lanes_of(self, collective_forward: bool) -> Lanes:
        """How a device walks its replicas.

        A program with collectives over `AXES` has to run side by side. On CPUs XLA runs
        convolutions inside a loop several times slower than outside (2.9 times at mini, 8.3 times
        for ResNet-50), so there lanes are unrolled; accelerators compile one loop.
        """
        if collective_forward:
            return Lanes(self.lanes, "side by side")
        on_cpu = self.devices[0].platform == "cpu"
        unrolled = self.lanes == 1 or (on_cpu and self.lanes <= MOST_UNROLLED)
        return Lanes(self.lanes, "unrolled" if unrolled else "loop")

    def map(self, program: Callable, donate: Sequence[int] = ()) -> Callable:
        """`program` mapped over the devices with axis name `AXIS`, all arguments stacked."""

        @functools.wraps(program)
        def precise(*arguments: Any) -> Any:
            with jax.default_matmul_precision(self.matmul_precision):
                return program(*arguments)

        return jax.pmap(precise, axis_name=AXIS, devices=self._all_devices, donate_argnums=donate)

    def put_state(self, tree: Any) -> Any:
        """A copy of the tree on every device, stacked `[devices, ...]`."""
        return jax.tree.map(lambda x: self._place([np.asarray(x)[None]] * len(self.devices)), tree)

    def put_batch(self, batch: Any) -> Any:
        """A host batch `[local replicas, ...]`, stacked `[devices, lanes, ...]`."""

        def divided(x: np.ndarray) -> np.ndarray:
            x = np.asarray(x)
            return x.reshape(len(self.devices), self.lanes, *x.shape[1:])

        # All leaves and devices in one call: one by one takes several times as long.
        return jax.device_put(jax.tree.map(divided, batch), self._sharding)

    def fetch_state(self, stacked: Any) -> Any:
        """The first device's part of a stacked state as host arrays that own their memory."""
        return jax.tree.map(lambda x: np.array(first_part(x)), stacked)

    def fetch_scalars(self, stacked: Mapping[str, jax.Array]) -> dict[str, float]:
        """Stacked scalars as Python floats."""
        return {name: float(first_part(value)) for name, value in stacked.items()}

    def max_over_processes(self, number: float) -> float:
        """The largest of the numbers that the processes of the job hand in, to the last bit."""
        return float(np.max(self.of_processes(np.float64(number))))

    def of_processes(self, x: np.ndarray | np.generic) -> np.ndarray:
        """The host arrays of one shape that the processes hand in, stacked, to the last bit."""
        x = np.asarray(x)
        if self.process_count == 1:
            return x[None]
        from jax.experimental import multihost_utils

        # On devices 64 bits would become 32.
        own = np.frombuffer(x.tobytes(), np.uint8)
        gathered = np.asarray(multihost_utils.process_allgather(own))
        return np.frombuffer(gathered.tobytes(), x.dtype).reshape(self.process_count, *x.shape)

    def lies_by_replica(self, x: jax.Array) -> bool:
        """Whether an array lies on the devices as `put_batch` puts those of a batch."""
        if not isinstance(x.sharding, jax.sharding.NamedSharding):
            return False
        divided = any(axis is not None for axis in x.sharding.spec[:1])
        return divided and x.shape[:2] == (len(self.devices), self.lanes)

    def fetch_batch(self, x: jax.Array) -> np.ndarray:
        """An array `[devices, lanes, ...]` of a batch on the host: `[replicas, ...]`, of all
        processes of the job."""
        local = np.array(x).reshape(len(self.local), *x.shape[2:])
        return self.of_processes(local).reshape(self.count, *local.shape[1:])

    def fetch_each(self, stacked: Any) -> Iterator[Any]:
        """This process's replicas' parts of a `[devices, lanes, ...]` tree, one by one."""
        leaves, structure = jax.tree.flatten(stacked)
        host = jax.device_get([[shard.data for shard in shards(x)] for x in leaves])
        for device in range(len(self.devices)):
            for lane in range(self.lanes):
                yield jax.tree.unflatten(structure, [parts[device][0, lane] for parts in host])

    @property
    def _all_devices(self) -> Sequence[jax.Device] | None:
        # pmap takes an explicit device list in one-process jobs; in others it uses all devices.
        return self.devices if self.process_count == 1 else None

    def _place(self, parts: list[np.ndarray]) -> jax.Array:
        """Parts `[1, ...]`, one per device of this process, as one array over these devices."""
        shape = (len(self.devices), *parts[0].shape[1:])
        buffers = [jax.device_put(p, d) for p, d in zip(parts, self.devices, strict=True)]
        return jax.make_array_from_single_device_arrays(shape, self._sharding, buffers)

    @functools.cached_property
    def _sharding(self) -> jax.sharding.NamedSharding:
        mesh = jax.sharding.Mesh(np.array(self.devices), (AXIS,))
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))


def replicas_on(
    devices: Sequence[jax.Device] | None = None,
    count: int | None = None,
    matmul_precision: str = "float32",
) -> Replicas:
    """The layout of `count` replicas (default: one per device) on the devices of this job.

    In a one-process job with fewer replicas than devices, or a count that the devices do not
    divide, as many devices are used as divide it.

    Raises:
      UserError: a count below one, or one that the devices of a multi-process job do not divide.
    """
    local = tuple(devices if devices is not None else jax.local_devices())
    processes = jax.process_count()
    count = count if count is not None else len(local) * processes
    if count < 1:
        raise UserError(f"replicas: {count} given, at least 1 is needed")
    if processes > 1:
        if count % (len(local) * processes):
            raise UserError(
                f"replicas: {count} given, a multiple of the job's {len(local) * processes} "
                "devices is needed in a multi-process job"
            )
        return Replicas(count, local, jax.process_index(), processes, matmul_precision)
    used = max(n for n in range(1, min(len(local), count) + 1) if count % n == 0)
    return Replicas(count, local[:used], matmul_precision=matmul_precision)


def shards(x: jax.Array) -> list:
    """This process's shards of a stacked array, in the order of its leading axis."""
    return sorted(x.addressable_shards, key=lambda shard: shard.index[0].start or 0)


def first_part(stacked: jax.Array) -> np.ndarray:
    """The first local device's part of a stacked array, without the device axis."""
    return np.asarray(stacked.addressable_data(0))[0]


def sum_over_replicas(
    program: Callable[[Any, jax.Array], tuple[Any, Any]],
    batches: Any,
    rng: jax.Array,
    lanes: Lanes,
) -> tuple[Any, Any]:
    """Inside a mapped program: runs `program(batch, rng) -> (terms, kept)` on every replica.

    Args:
      program: one replica's part of the work, from its batch and key; `terms` add up.
      batches: this device's batches `[lanes, ...]`.
      rng: the step's key; each replica gets it folded with its own index, so what it draws does
        not depend on how many devices there are.
      lanes: the replicas carried by this device.

    Returns:
      The terms summed over all replicas, equal on all devices, and what this device's replicas
      kept, stacked `[lanes, ...]`.
    """
    indices = jax.lax.axis_index(AXIS) * lanes.count + jnp.arange(lanes.count)
    keys = jax.vmap(lambda i: jax.random.fold_in(rng, i))(indices)
    if lanes.order == "side by side":
        terms, kept = jax.vmap(program, axis_name=LANE)(batches, keys)
        sums = jax.tree.map(lambda x: x.sum(axis=0), terms)
    elif lanes.order == "unrolled":
        results = [program(_lane(batches, i), keys[i]) for i in range(lanes.count)]
        sums = functools.reduce(_add, [terms for terms, _ in results])
        kept = _stacked([kept for _, kept in results])
    else:
        one, _ = jax.eval_shape(program, _lane(batches, 0), keys[0])
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), one)

        def add(total: Any, lane: tuple) -> tuple[Any, Any]:
            terms, kept = program(*lane)
            return _add(total, terms), kept

        sums, kept = jax.lax.scan(add, zeros, (batches, keys))
    return linear.total(sums), kept


def each_replica(program: Callable[[Any], Any], batches: Any, lanes: Lanes) -> Any:
    """Inside a mapped program: `program(batch)` for every lane, results stacked `[lanes, ...]`."""
    if lanes.order == "side by side":
        return jax.vmap(program, axis_name=LANE)(batches)
    if lanes.order == "unrolled":
        return _stacked([program(_lane(batches, i)) for i in range(lanes.count)])
    return jax.lax.map(program, batches)


def _lane(batches: Any, index: int) -> Any:
    return jax.tree.map(lambda x: x[index], batches)


def _add(a: Any, b: Any) -> Any:
    return jax.tree.map(jnp.add, a, b)


def _stacked(results: list) -> Any:
    return jax.tree.map(lambda *parts: jnp.stack(parts), *results)
