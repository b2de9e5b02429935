"""The workloads that a command may name, one by one and in groups.

The kit knows no particular workload, so the caller lists them. In a notebook:

    import workloads
    from algoperf_jax.suite.known_workloads import KnownWorkloads

    known = KnownWorkloads(tuple(workloads.CATALOGUE.entries), {}, workloads.get, lambda name: ())
    chosen = known.chosen([name], "mini", "v0.5")
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from algoperf_jax.errors import UserError

if TYPE_CHECKING:  # JAX is loaded with the first workload only
    from algoperf_jax.workload import Workload


@dataclasses.dataclass(frozen=True)
class KnownWorkloads:
    """The workloads that commands may name.

    Attributes:
      names: of all of them, in the order of listings.
      groups: by name of the group its members, which need not exist yet.
      get: the workload of a name, or of an import path, at a scale.
      scales: the scales at which one of `names` exists.
      under: whether a rule set, by name, has one of `names`.
    """

    names: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    get: Callable[[str, str], "Workload"]
    scales: Callable[[str], tuple[str, ...]]
    under: Callable[[str, str], bool] = lambda name, rules: True

    def chosen(self, words: Sequence[str], scale: str, rules: str) -> dict[str, "Workload"]:
        """The workloads that the words stand for, by what the words call them.

        Args:
          words: names, import paths or groups, several in a word separated by commas. A group
            stands for those of its members that exist at the scale and under the rules.
          scale: `"mini"` or `"full"`.
          rules: name of the rule set.

        Raises:
          UserError: there is no such workload, or no member of a group exists at the scale.
        """
        chosen: dict[str, Workload] = {}
        for word in filter(None, ",".join(words).split(",")):
            members = [word] if word not in self.groups else self._members(word, scale, rules)
            chosen.update({name: self.get(name, scale) for name in members})
        return chosen

    def _members(self, group: str, scale: str, rules: str) -> list[str]:
        there = [name for name in self.groups[group] if name in self.names]
        members = [name for name in there if scale in self.scales(name) and self.under(name, rules)]
        if not members:
            raise UserError(
                f"--workloads: no workload of the group {group!r} exists at scale {scale} yet; "
                f"there are {', '.join(self.names)}"
            )
        return members
