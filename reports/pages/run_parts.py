"""The parts of a run's report, in the order of questions; the appendix documents what the others rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import structs

from reports.document import Part, Table

LATENCY = Part("latency", "All configurations")
TRAINING = Part("training", "Training by phase")
MACHINES = Part("machines", "Machine by machine")
SPEED_UPS = Part("speed-ups", "Speed-ups and compile time")
ENERGY = Part("energy", "Energy")
FAILURES = Part("failures", "Failures")
PEAK = Part("peak", "Share of peak", in_appendix=True)
MEMORY = Part("memory", "Memory by kind", in_appendix=True)
SYSTEM = Part("system", "System", in_appendix=True)
COST = Part("cost", "Parameters and FLOPs", in_appendix=True)
PRECISION = Part("precision", "Precision actually used", in_appendix=True)
BIT_FOR_BIT = Part("bit-for-bit", "Bit for bit", in_appendix=True)
CONDITIONS = Part("conditions", "Conditions while measuring", in_appendix=True)
SKIPPED = Part("skipped", "Skipped on this machine", in_appendix=True)
ABSENT = Part("not-measured", "Not measured", in_appendix=True)
WARNINGS = Part("warnings", "Warnings", in_appendix=True)


def in_part(part: Part, tables: Iterable[Table]) -> Iterator[Table]:
    """The tables, each as one of the part."""
    for table in tables:
        yield structs.replace(table, part=part)
