"""Which ceilings a plan needs: a case for each device and each dtype whose arithmetic it uses."""

from __future__ import annotations

from collections.abc import Iterable

from bench import devices
from bench.schema.case import ARITHMETIC, Case, Precision

MODEL = "ceilings"
"""What stands in the place of a network."""


def case(device: str, precision: Precision, threads: int) -> Case:
    """The products of one device in the arithmetic of one precision."""
    return Case(
        model=MODEL,
        workload="ceiling",
        device=device,
        precision=ARITHMETIC[precision],
        threads=threads,
    )


def needed(planned: Iterable[Case]) -> list[Case]:
    """The ceilings over what a plan measures, each once, in the plan's order.

    Threads of the host do not change what a GPU can do: the first number stands for all.
    """
    found: dict[tuple[str, Precision, int], Case] = {}
    for each in planned:
        if each.workload != "ceiling":
            ceiling = case(each.device, each.precision, each.threads)
            threads = ceiling.threads if devices.traits(ceiling.device).is_host else 0
            found.setdefault((ceiling.device, ceiling.precision, threads), ceiling)
    return list(found.values())
