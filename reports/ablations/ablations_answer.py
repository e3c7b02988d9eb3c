"""The first screen of `ablate`: what each choice costs in time and memory and does to accuracy."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from bench.schema.plurals import how_many
from bench.stats.accuracy_verdicts import PARITY_MARGIN
from bench.stats.verdicts import MARGIN, holm, unpaired
from reports.ablations.choices import Choice, memory_of, ratio_with_ends
from reports.ablations.form_pairs import TimedPair
from reports.ablations.predictions import predicted
from reports.analysis.figure_ratios import parts_of
from reports.bar_rows import BarChart, BarRow
from reports.cells import Quantity, brief, readable
from reports.document import Answer, NextStep, Table
from reports.sections.asked import Asked
from reports.sections.machine_line import in_short
from reports.summary.contended import not_alone
from reports.summary.figures import Summary
from reports.tables.case_names import network_name
from reports.tables.wording import signed_points, with_interval

OUT = "runs/ablations"
MOST_HEADLINES = 4
MOST_ROWS = 10
FEW, MOST_CHARTED = 4, 3
"""Of more choices the first screen has room for two headlines; of more than MOST_CHARTED for no chart."""
MORE_SEEDS, MORE_PROCESSES = 10, 8
"""Of the next run: at least so many, and at least twice what there are."""
_TIME_WORDS = {"slower": "▲ slower", "faster": "▼ faster", "equivalent": "time =", "inconclusive": "time ?"}
_ACCURACY_WORDS = {
    "higher": "✓ more accurate",
    "lower": "✗ less accurate",
    "equivalent": "accuracy =",
    "inconclusive": "accuracy ?",
    "diverged": "✗ diverged",
}

Blocks = Mapping[str, Sequence[TimedPair]]
"""By kernel: the pairs of blocks, stage by stage."""


def answer(
    names: Sequence[str], blocks: Blocks, choices: Sequence[Choice], summary: Summary, asked: Asked
) -> Answer:
    """What a reader came for, of the ablations of these names."""
    told = [*_of_blocks(blocks), *map(headline, sorted(choices, key=_notable))]
    most = MOST_HEADLINES if len(choices) <= FEW else 2
    more = len(told) - most
    return Answer(
        about=in_short(summary),
        alarms=not_alone(summary.figures),
        headlines=tuple(told[:most]) or ("Nothing was measured of both sides of a choice.",),
        chart=_chart(choices),
        table=_table(choices) if len(choices) > 1 or more > 0 else None,
        next_step=next_step(names, choices, asked),
    )


def _notable(choice: Choice) -> tuple[bool, bool, bool]:
    """False comes first: a network that no longer learns, then a decided accuracy, then a decided time."""
    accuracy, time = choice.accuracy, choice.time
    return (
        not choice.learns_nothing,
        accuracy is None or accuracy.verdict not in ("higher", "lower"),
        time is None or time.verdict not in ("slower", "faster"),
    )


def _of_blocks(blocks: Blocks) -> Iterator[str]:
    """`3x3 stack for one 5x5: 0.32x to 0.88x the step time, faster in 9 of 10 blocks; predicted 0.72x.`"""
    for sides in blocks.values():
        label = sides[0].form.label
        chosen = [
            (each, found) for each in sides if each.form.label == label and (found := each.ratio("step"))
        ]
        known = [
            (each, found) for each, found in chosen if with_interval(found.value, found.interval).is_resolved
        ]
        if not known:
            continue
        values = [found.value for _, found in known]
        by_flops = sorted({round(flops, 3) for each, _ in known if (flops := predicted(each))})
        counts = _directions([each for each, _ in chosen])
        decided = [f"{word} in {counts[word]}" for word in ("faster", "slower") if counts[word]]
        predicted_words = f"; predicted from FLOPs {_span(by_flops)}" if by_flops else ""
        yield (
            f"{label} instead of {sides[0].comparison.base.label}: {_span(values)} the step time, "
            f"{' and '.join(decided) or 'decided in none'} of {len(chosen)} blocks{predicted_words}."
        )


def _directions(sides: Sequence[TimedPair]) -> Counter[str]:
    """How many are faster and slower, tested at once."""
    found = [
        unpaired(both[0].independent, both[1].independent, moderated=parts_of(*both))
        for each in sides
        if (both := each.times("step"))
    ]
    certain = holm([0.0 if each.p is None else each.p for each in found])
    return Counter(each.verdict for each, sure in zip(found, certain, strict=True) if sure)


def _span(values: Sequence[float]) -> str:
    low, high = readable(min(values), 2), readable(max(values), 2)
    return f"{low}x" if low == high else f"{low}x to {high}x"


def headline(choice: Choice) -> str:
    """`VGG-13, kernels own → 5x5: 0.84x (0.77x to 0.91x) the step time, faster; accuracy undecided ...`"""
    parts = [part for part in (_time_in_words(choice), _accuracy_in_words(choice)) if part]
    return f"{network_name(choice.subject)}, {choice.name}: {'; '.join(parts) or 'not measured'}."


def _time_in_words(choice: Choice) -> str:
    found, ratio = choice.time, choice.ratio
    if found is None or ratio is None:
        return ""
    what = "step time" if choice.phase == "step" else f"{choice.phase} time"
    told = ratio_with_ends(ratio)
    assert told is not None, "there is a ratio"
    if not told.is_resolved or found.low is None:
        return f"{what} {brief(told)}"
    if found.verdict == "equivalent":
        return f"{what} equivalent (within {100 * MARGIN:g}%)"
    if found.verdict == "inconclusive":
        return f"{what} undecided ({readable(found.low, 2)}x to {readable(found.high, 2)}x)"
    flops = choice.predicted
    by_flops = f", predicted {readable(flops, 2)}x" if flops and abs(flops - 1) > 0.005 else ""
    return f"{brief(told)} the {what}, {found.verdict}{by_flops}"


def _accuracy_in_words(choice: Choice) -> str:
    found = choice.accuracy
    if found is None:
        return ""
    if choice.learns_nothing:
        return "it no longer learns"
    points = readable(signed_points(found.difference, found.low, found.high))
    if found.verdict == "equivalent":
        return f"accuracy equivalent (within {100 * PARITY_MARGIN:g} point)"
    if found.verdict in ("higher", "lower"):
        return f"{'more' if found.verdict == 'higher' else 'less'} accurate, {points} points"
    if found.verdict == "diverged" or found.detectable is None or found.reason:
        return f"accuracy undecided ({found.reason})"
    return f"accuracy undecided; {100 * found.detectable:.0f} points would have been seen"


def _chart(choices: Sequence[Choice]) -> BarChart | None:
    """The ratios of the times, of few choices."""
    rows = [(choice, found) for choice in choices if (found := ratio_with_ends(choice.ratio))]
    if not 1 < len(rows) <= MOST_CHARTED or len(choices) > MOST_CHARTED:
        return None
    return BarChart(
        title="Step time / that of the base (below 1x is faster)",
        rows=tuple(BarRow(_row_name(choice, choices), (found,)) for choice, found in rows),
    )


def _row_name(choice: Choice, choices: Sequence[Choice]) -> str:
    several = len({other.subject for other in choices}) > 1
    return f"{network_name(choice.subject)}: {choice.name}" if several else choice.name


def _table(choices: Sequence[Choice]) -> Table:
    rows = tuple(
        (
            _row_name(choice, choices),
            _without_unit(ratio_with_ends(choice.ratio)),
            _without_unit(memory_of(choice)),
            _points(choice),
            verdict_text(choice),
        )
        for choice in choices[:MOST_ROWS]
    )
    columns = ("choice", "step time (x)", "memory (x)", "accuracy (points)", "verdict")
    filled = [at for at in range(len(columns)) if any(row[at] is not None for row in rows)]
    rest = len(choices) - MOST_ROWS
    return Table(
        title=_caption(choices),
        columns=tuple(columns[at] for at in filled),
        rows=tuple(tuple(row[at] for at in filled) for row in rows),
        notes=(f"{rest} more choices: --full.",) if rest > 0 else (),
    )


def _without_unit(found: Quantity | None) -> Quantity | None:
    """For a column that names it."""
    return structs.replace(found, unit="") if found else None


def _points(choice: Choice) -> Quantity | None:
    found = choice.accuracy
    return None if found is None else signed_points(found.difference, found.low, found.high)


def verdict_text(choice: Choice) -> str:
    """`▲ slower, accuracy =`; of a network that no longer learns the time does not matter."""
    if choice.learns_nothing:
        return "✗ learns nothing"
    words = []
    if choice.time is not None and choice.time.low is not None:
        words.append(_TIME_WORDS[choice.time.verdict])
    if choice.accuracy is not None:
        words.append(_ACCURACY_WORDS[choice.accuracy.verdict])
    return ", ".join(words)


def _caption(choices: Sequence[Choice]) -> str:
    """`VGG-small, new against base: batch 32, 32 px, fp32, eager, cpu; accuracy on digits, 3 seeds`"""
    subjects = dict.fromkeys(network_name(choice.subject) for choice in choices)
    told = f"{subjects.popitem()[0]}, new / base" if len(subjects) == 1 else "New / base"
    cases = {choice.timed.new.case for choice in choices if choice.timed}
    shared = {(c.batch, c.image, c.precision, c.engine, c.device) for c in cases}
    if len(shared) == 1:
        batch, image, precision, engine, device = shared.pop()
        told += f": batch {batch}, {image} px, {precision}, {engine}, {device}"
    trained = [choice.trained for choice in choices if choice.trained]
    seeds = {pair.base.seeds for pair in trained}
    if trained and len(seeds) == 1:
        count = seeds.pop()
        told += f"; accuracy on {trained[0].base.task.dataset}, {how_many(count, 'seed')}"
    return told


def next_step(names: Sequence[str], choices: Sequence[Choice], asked: Asked) -> NextStep | None:
    """More seeds or processes for what is undecided, else where the time of a choice goes."""
    name = names[0] if len(names) == 1 else "all"
    seeds = [choice for choice in choices if choice.accuracy and choice.accuracy.verdict == "inconclusive"]
    times = [choice for choice in choices if choice.time and choice.time.verdict == "inconclusive"]
    if seeds:
        most = max(choice.trained.new.seeds for choice in seeds if choice.trained)
        words = ("ablate", name, "--seeds", str(max(MORE_SEEDS, 2 * most)))
        purpose = f"more seeds for {how_many(len(seeds), 'undecided choice')}"
        return NextStep(command=asked.command(words, OUT), purpose=purpose)
    if times:
        most = max(max(choice.time.n_new, choice.time.n_base) for choice in times if choice.time)
        words = ("ablate", name, "--replicates", str(max(MORE_PROCESSES, 2 * most)))
        purpose = f"more processes for {how_many(len(times), 'undecided choice')}"
        return NextStep(command=asked.command(words, OUT), purpose=purpose)
    timed = next((choice.timed for choice in choices if choice.timed), None)
    if timed is None:
        return None
    case = timed.new.case
    command = shlex.join(("convbench", "layers", case.model, "--batch", str(case.batch)))
    return NextStep(command=command, purpose="where the time of this choice goes")
