"""How the lines of a Fourier transform are dealt out to the work-groups of an OpenCL device."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

__all__ = ["GROUP_SIZES", "LEAST_ADJACENT_LINES", "Limits", "Plan", "plan_lines", "radices_of"]

_COMPLEX_BYTES = 8

# What a work-group aims for.  8 complex values are 64 bytes, enough for full use of a memory
# transaction when the lines lie side by side; 2048 values keep 256 work-items busy with a radix-8
# butterfly each.
LEAST_ADJACENT_LINES = 8
_VALUES_PER_GROUP = 2048
# Local memory a work-group takes at most, unless a single line needs more: with more, too few
# groups share a GPU's compute unit to hide the latency of global memory.  This is 4096 values
# with their padding.
_PREFERRED_TILE_BYTES = 34 * 1024
# Work-groups are whole warps or wavefronts; 256 is the most that every common GPU takes.
GROUP_SIZES = tuple(range(32, 257, 32))
# Values are held in registers (two each) between the passes: 16 of them leave enough registers
# for a GPU to keep several groups at work, 32 just fit.
_PREFERRED_VALUES_PER_ITEM = 16
_MOST_VALUES_PER_ITEM = 32
# The kernels' macros count butterflies of a work-item up to here.
_MOST_TURNS = 16


@dataclass(frozen=True)
class Limits:
    """What a work-group may have: bytes of local memory, and which sizes."""

    local_memory_bytes: int
    group_sizes: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """How work-groups transform lines of one length in local memory."""

    length: int
    radices: tuple[int, ...]
    lines: int
    work_items: int

    def turns(self, radix: int) -> int:
        """Return the most butterflies of a radix that a work-item does in a pass."""
        return -(-self.lines * self.length // radix // self.work_items)

    @property
    def values_per_item(self) -> int:
        """The most values that a work-item holds in any pass."""
        return max(self.turns(radix) * radix for radix in self.radices)

    @property
    def is_possible(self) -> bool:
        """Whether the work-items can hold the values."""
        return (
            self.values_per_item <= _MOST_VALUES_PER_ITEM
            and max(map(self.turns, self.radices)) <= _MOST_TURNS
        )

    @property
    def idle_values(self) -> int:
        """Values that the work-items have room for beyond those of the lines, in all passes."""
        return sum(
            self.turns(radix) * radix * self.work_items - self.lines * self.length
            for radix in self.radices
        )

    def definitions(self, table_length: int) -> dict[str, int | str]:
        """Return the macros that specialise the kernels to this plan."""
        passes = []
        span = 1
        for before, radix in pairwise(self.radices):
            passes.append(f"NEXT_PASS({before}, {span}, {radix}, {span * before})")
            span *= before
        return {
            "FFT_LENGTH": self.length,
            "FFT_LINES": self.lines,
            "FFT_WORK_ITEMS": self.work_items,
            "FFT_VALUES_PER_ITEM": self.values_per_item,
            **{f"FFT_TURNS_{radix}": self.turns(radix) for radix in set(self.radices)},
            "FFT_TABLE_LENGTH": table_length,
            "FFT_FIRST_RADIX": self.radices[0],
            "FFT_LAST_RADIX": self.radices[-1],
            "FFT_LATER_PASSES": " ".join(passes),
        }


def plan_lines(length: int, neighbours: int, least_lines: int, limits: Limits) -> Plan | None:
    """Return the plan for lines in local memory, or None if they do not fit.

    Parameters
    ----------
    length : int
        Complex values in a line.
    neighbours : int
        Lines that lie side by side, of which a work-group takes some.
    least_lines : int
        How many it should take even if they are long.
    limits : Limits
        What the device allows.
    """
    # One value of padding after 16, as in the kernels.
    line_bytes = -(-length * _COMPLEX_BYTES * 17 // 16)
    if line_bytes > limits.local_memory_bytes or not limits.group_sizes:
        return None
    wanted = max(least_lines, _VALUES_PER_GROUP // length)
    fitting = min(
        min(limits.local_memory_bytes, _PREFERRED_TILE_BYTES) // line_bytes,
        _PREFERRED_VALUES_PER_ITEM * max(limits.group_sizes) // length,
    )
    lines = min(wanted, max(fitting, 1), neighbours)
    # The same number of groups with the lines shared out evenly.
    lines = -(-neighbours // -(-neighbours // lines))
    plans = [
        Plan(length, radices_of(length), lines, work_items) for work_items in limits.group_sizes
    ]
    return min(
        (plan for plan in plans if plan.is_possible),
        key=lambda plan: (
            max(plan.values_per_item, _PREFERRED_VALUES_PER_ITEM),
            plan.idle_values,
            -plan.work_items,
        ),
        default=None,
    )


def radices_of(length: int) -> tuple[int, ...]:
    """Return the radices of the passes for a line; their product is its 7-smooth part.

    The fewer passes the better, so powers of two go as eights, with the rest as fours or a two.
    """
    counts = {}
    for prime in (2, 3, 5, 7):
        counts[prime] = 0
        while length % prime == 0:
            length //= prime
            counts[prime] += 1
    eights, rest = divmod(counts[2], 3)
    radices = [8] * eights
    if rest == 2:
        radices.append(4)
    elif rest == 1:
        # Two balanced passes instead of an eight and a two.
        radices[-1:] = [4, 4] if eights else [2]
    for prime in (7, 5, 3):
        radices += [prime] * counts[prime]
    return tuple(radices) or (1,)
