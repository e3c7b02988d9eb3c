"""What a comparison of several machines says of them: in words, and unit by unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.schema.case import Case
from bench.schema.plurals import how_many
from bench.schema.units import Unit
from reports.cells import Cell
from reports.compare.changes import change, marked, takes
from reports.compare.comparison_rows import ComparisonRow
from reports.compare.row_names import row_names
from reports.compare.row_words import is_step_time
from reports.compare.unit_changes import UnitChange
from reports.document import Part, Table
from reports.tables.time_units import unit_of

MACHINES = Part("machines", "Machine by machine")
MOST_NAMED = 2
"""Units that a sentence names."""
MOST_ROWS = 32
"""Units of a case that the table has."""
TABLE_IN_WORDS = (
    "change: by the unit's own processes, with its 99% interval; the verdicts are corrected for the number "
    "of units. against: it clearly changed, and not as the verdict on all machines says."
)


def machine_counts(timed: Sequence[ComparisonRow]) -> Iterator[str]:
    """`4 machines, paired (32 GPUs)`, `4 machines in BASE, 3 in NEW`; of at least one row."""
    row = max(timed, key=lambda each: len(each.changes))
    if not row.paired:
        yield f"{_counted(row, row.n_base)} in BASE, {row.n_new:,} in NEW"
        return
    gpus = len(row.changes)
    also = f" ({gpus:,} GPUs)" if row.across == "across-machines" and row.changes[0].unit.is_gpu else ""
    yield f"{_counted(row, row.n_base)}, paired{also}"
    if row.unpaired_units:
        yield f"{row.unpaired_units:,} on one side only"


def _counted(row: ComparisonRow, count: int) -> str:
    return how_many(count, "GPU" if row.across == "across-gpus" else "machine")


def against_in_words(rows: Sequence[ComparisonRow], names: Mapping[Case, str]) -> Iterator[str]:
    """Which units went against the verdict on the time of a whole step, the largest change first."""
    found = [(row, each) for row in rows if is_step_time(row) for each in row.against]
    if not found:
        return
    found.sort(key=lambda pair: -abs(pair[1].ratio - 1))
    told = [
        f"{_in_words(each.unit)} {takes(each.verdict, 'time')} in {names[row.case]}"
        for row, each in found[:MOST_NAMED]
    ]
    units = len({each.unit.id for _, each in found})
    more = f"; {len(found) - MOST_NAMED:,} more: --section machines" if len(found) > MOST_NAMED else ""
    kind = "GPU" if found[0][1].unit.is_gpu else "machine"
    yield f"{how_many(units, kind)} went against the verdict: {'; '.join(told)}{more}."


def _in_words(unit: Unit) -> str:
    """`GPU-3f0c12ab (node3)`, `node3`"""
    return f"{unit.name} ({unit.node})" if unit.is_gpu else unit.name


def machines_in_words(rows: Sequence[ComparisonRow]) -> Iterator[str]:
    """How several machines were compared, for the appendix."""
    several = [row for row in rows if row.across]
    if any(row.across == "across-gpus" and row.changes for row in several):
        yield (
            "BASE and NEW hold the same GPUs of one machine, which are paired. The verdicts hold for this "
            "machine: what another one would show is not in them."
        )
    if any(row.across == "across-machines" and row.changes for row in several):
        yield (
            "BASE and NEW hold the same machines, which are paired. A driver or a firmware belongs to a "
            "machine: verdicts are on the mean log ratio of each machine, and n is the number of machines."
        )
    if any(row.low is not None and not row.changes for row in several):
        yield (
            "BASE and NEW hold different machines. These are compared by the mean of each machine: processes "
            "of one machine do not tell how machines differ."
        )


def unit_tables(rows: Sequence[ComparisonRow]) -> Iterator[Table]:
    """Of each whole step what every unit did, those that went against the verdict first."""
    steps = [row for row in rows if row.changes and is_step_time(row)]
    if not steps:
        return
    names = row_names(row.case for row in steps)
    per = unit_of(each.base for row in steps for each in row.changes)
    lines = [_cells(names[row.case], row, each, per.per_second) for row in steps for each in _shown(row)]
    hidden = sum(len(row.changes) - len(_shown(row)) for row in steps)
    yield Table(
        title=MACHINES.title,
        columns=("case", "machine", "GPU", f"BASE, {per.name}", f"NEW, {per.name}", "change", "verdict", ""),
        rows=tuple(lines),
        notes=(TABLE_IN_WORDS, *((f"{hidden:,} units that changed least are hidden.",) if hidden else ())),
        part=MACHINES,
    )


def _shown(row: ComparisonRow) -> list[UnitChange]:
    """In the order of the nodes, if there are not too many; those that went against it first."""
    contrary = {each.unit.id for each in row.against}
    ordered = sorted(row.changes, key=lambda each: (each.unit.id not in contrary, -abs(each.ratio - 1)))
    kept = ordered[:MOST_ROWS]
    return sorted(kept, key=lambda each: (each.unit.id not in contrary, each.unit.node, each.unit.id))


def _cells(name: str, row: ComparisonRow, found: UnitChange, per_second: float) -> tuple[Cell, ...]:
    return (
        name,
        found.unit.node,
        found.unit.name if found.unit.is_gpu else None,
        found.base * per_second,
        found.new * per_second,
        change(found.verdict),
        marked(found.verdict.verdict),
        "against" if found in row.against else None,
    )
