"""The first screen of a comparison: what changed, what is undecided, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from bench.schema.case import Case
from bench.schema.plurals import all_of, how_many
from reports.compare.answer_table import answer_table
from reports.compare.comparison_rows import ComparedSides, ComparisonRow, ReplicationUnit
from reports.compare.gate import GateResult
from reports.compare.matching import SEVERAL
from reports.compare.nearest_mismatch import Mismatch
from reports.compare.paired_machines import against_in_words, machine_counts
from reports.compare.row_names import row_names
from reports.compare.row_words import KINDS, in_words, is_count, is_step_time
from reports.compare.verdict_sentences import CHANGED, MOST_NAMED, NamedTime, sentences, title
from reports.document import Answer, NextStep
from reports.tables.wording import models_named

NOTHING = "Nothing was compared"
_WORDS = (
    "slower",
    "faster",
    "lower",
    "higher",
    "different",
    "diverged",
    "equivalent",
    "equal",
    "inconclusive",
)
"""Verdicts in the order in which a sentence counts them."""
_PEAKS = ("peak_allocated", "peak_resident")
"""What grew is told of these first."""
_UNITS: dict[ReplicationUnit, str] = {"process": "processes", "run": "runs", "pair": "pairs"}


_ONE_CONDITION = (
    "`convbench merge RUN... --out FOLDER` unites the runs of one condition; compare that folder."
)


class Circumstances(Struct, frozen=True, kw_only=True):
    """What the first screen says beside the rows.

    sides        the folders of BASE and of NEW, as the user named them
    environment  `same machine and versions`, or what differs
    alarms       what forbids to trust the figures
    margin       a share
    control      of a side that is half changed which machines were compared, and what became of the others
    mismatch     the nearest cases of a comparison without any row
    full         the command that shows the whole report
    """

    sides: tuple[str, str]
    environment: str
    alarms: tuple[str, ...]
    margin: float
    unit: ReplicationUnit
    mismatch: Mismatch | None = None
    gate: GateResult | None = None
    next_step: NextStep | None = None
    full: str = ""
    show_all: bool = False
    control: tuple[str, ...] = ()


def short_title(compared: ComparedSides) -> str:
    """The verdict in a few words: `1 of 14 times is slower`."""
    if compared.is_empty:
        return NOTHING
    times = _step_times(compared.rows, row_names(row.case for row in compared.rows))
    if times:
        return title(times)
    return ". ".join(_count(name, rows) for name, rows in _groups(compared.rows))


def answer(compared: ComparedSides, known: Circumstances) -> Answer:
    """The first screen."""
    names = row_names(row.case for row in compared.rows)
    return Answer(
        about=_about(compared.rows, known),
        alarms=known.alarms,
        headlines=tuple(_headlines(compared, known, names)),
        table=answer_table(compared.rows, show_all=known.show_all),
        warnings=" ".join(_warnings(compared.rows)),
        next_step=known.next_step or (NextStep(command=known.full) if known.full else None),
    )


def _about(rows: Sequence[ComparisonRow], known: Circumstances) -> str:
    """`BASE runs/before · NEW runs/after · same machine and versions · 5 processes a side`"""
    base, new = known.sides
    return " · ".join((f"BASE {base}", f"NEW {new}", known.environment, *_sizes(rows, known.unit)))


def _sizes(rows: Sequence[ComparisonRow], unit: ReplicationUnit) -> Iterator[str]:
    """`5 processes a side`, `3 to 5 processes in BASE, 5 in NEW`; of what is timed."""
    timed = [row for row in rows if row.verdict is not None and is_step_time(row)]
    if not timed:
        return
    base, new = _range([row.n_base for row in timed]), _range([row.n_new for row in timed])
    if timed[0].across is not None:
        yield from machine_counts(timed)
        return
    if all(row.paired for row in timed):
        yield f"{base} {_UNITS['pair']}"
        return
    counted = _UNITS["run" if unit == "run" else "process"]
    yield f"{base} {counted} a side" if base == new else f"{base} {counted} in BASE, {new} in NEW"


def _range(counts: Sequence[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _headlines(compared: ComparedSides, known: Circumstances, names: Mapping[Case, str]) -> Iterator[str]:
    if compared.is_empty:
        yield f"{NOTHING}. {_why_nothing(compared.rows, known)}"
    yield from known.control
    if compared.broken:
        count = len(compared.broken)
        yield f"{how_many(count, 'case')} of BASE failed in NEW: {models_named(compared.broken)}."
    times = _step_times(compared.rows, names)
    if times:
        yield from sentences(times, known.margin)
        yield from against_in_words(compared.rows, names)
    counted = [_sentence(name, rows, names) for name, rows in _groups(compared.rows)]
    last = [*counted, *([known.gate.in_words] if known.gate else [])]
    if last:
        yield " ".join(last)


def _why_nothing(rows: Sequence[ComparisonRow], known: Circumstances) -> str:
    if known.mismatch is not None:
        return f"No case is on both sides. {known.mismatch.sentence}"
    reasons = Counter(row.reason for row in rows if row.reason)
    if not reasons:
        return "Neither side has measured anything."
    reason, count = reasons.most_common(1)[0]
    told = f"Reason for {count:,} of {len(rows):,} figures: {reason}."
    return f"{told} {_ONE_CONDITION}" if SEVERAL in reason else told


def _step_times(rows: Sequence[ComparisonRow], names: Mapping[Case, str]) -> list[NamedTime]:
    return [NamedTime(names[row.case], row) for row in rows if row.verdict is not None and is_step_time(row)]


def _groups(rows: Sequence[ComparisonRow]) -> Iterator[tuple[str, list[ComparisonRow]]]:
    """All but the times of whole steps; counts only where one differs."""
    found = [row for row in rows if row.verdict is not None]
    costs = [row for row in found if not (is_count(row) or row.is_peak or row.is_accuracy)]
    yield from (
        (name, group)
        for name, group in (
            ("Accuracy", [row for row in found if row.is_accuracy]),
            ("Other times", [row for row in costs if row.unit == "s" and not is_step_time(row)]),
            ("Memory", [row for row in costs if row.unit == "bytes"]),
            ("Energy", [row for row in costs if row.unit == "J"]),
            ("Counts", [row for row in found if row.verdict == "different"]),
            ("Peak", _peaks(rows)),
        )
        if group
    )


def _peaks(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """The times of products, where the machine changed under the networks or no network was measured."""
    peaks = [row for row in rows if row.is_peak and row.unit == "s" and row.verdict is not None]
    networks = [row for row in rows if not row.is_peak]
    has_changed = any(row.verdict in CHANGED for row in peaks)
    is_told = not networks or (has_changed and any(row.verdict is not None for row in networks))
    return peaks if is_told else []


def _sentence(name: str, rows: Sequence[ComparisonRow], names: Mapping[Case, str]) -> str:
    """`Memory: 1 larger, 13 equivalent (VGG-11 training, batch 8, step peak resident: 12% more memory).`"""
    changed = [row for row in rows if row.verdict not in ("equivalent", "equal", "inconclusive")]
    changed.sort(key=lambda row: row.metric not in _PEAKS)
    told = [in_words(row, names[row.case]) for row in changed[:MOST_NAMED]]
    if changed and changed[0].unit == "s" and not changed[0].is_peak:
        told = []  # the table has them
    elif len(changed) > MOST_NAMED:
        told.append(f"{len(changed) - MOST_NAMED:,} more")
    listed = f" ({'; '.join(told)})" if told else ""
    return f"{_count(name, rows)}{listed}."


def _count(name: str, rows: Sequence[ComparisonRow]) -> str:
    """`Memory: all 14 equivalent`, `Memory: 1 larger, 13 equivalent`"""
    kind = KINDS.get(rows[0].unit)
    words: Counter[str] = Counter(row.verdict or "" for row in rows)
    alone = len(words) == 1 and len(rows) > 1 and not is_count(rows[0])
    told = [
        f"{all_of(words[word]) if alone else f'{words[word]:,}'} {kind.word(word) if kind else word}"
        for word in _WORDS
        if words[word]
    ]
    return f"{name}: {', '.join(told)}"


def _warnings(rows: Sequence[ComparisonRow]) -> Iterator[str]:
    """`2 rows ! (drifting 1, steal 1).` and `3 cases not compared (only in BASE 2, only in NEW 1).`"""
    tagged = [row for row in rows if row.labels and is_step_time(row)]
    if tagged:
        labels: Counter[str] = Counter(label for row in tagged for label in row.labels)
        yield f"{how_many(len(tagged), 'row')} ! ({_listed(labels)}): --section time."
    left_out: dict[str, set[Case]] = {}
    for row in rows:
        if row.verdict is None and row.reason:
            left_out.setdefault(row.reason, set()).add(row.case)
    compared = {row.case for row in rows if row.verdict is not None}
    counts = Counter(
        {reason: len(cases - compared) for reason, cases in left_out.items() if cases - compared}
    )
    if counts and compared:
        count = len({case for cases in left_out.values() for case in cases} - compared)
        yield f"{how_many(count, 'case')} not compared ({_listed(counts)}): --section not-compared."


def _listed(counts: Counter[str]) -> str:
    """`only in BASE 2, only in NEW 1`, the most frequent first, three at most."""
    told = [f"{word} {count:,}" for word, count in counts.most_common(3)]
    return ", ".join([*told, *(["..."] if len(counts) > 3 else [])])
