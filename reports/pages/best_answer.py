"""The answer of a search in words: what is fastest, by how much, how sure that is, and what is left."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from msgspec import structs

from bench import devices
from bench.schema.agreement import Agreement
from bench.schema.case import Case
from bench.schema.ceiling_product import product_name
from bench.schema.tuning import names
from bench.stats.accuracy_verdicts import Difference
from bench.stats.estimates import Ratio
from bench.stats.verdicts import MARGIN
from bench.studies.ab.pair_rows import PairRow
from bench.studies.best.search_result import Findings
from bench.studies.best.strategy import CandidateResult
from models import catalogue
from reports.analysis.figure_ratios import combined
from reports.analysis.learned import training_runs
from reports.analysis.measured_ceilings import ceilings_of
from reports.analysis.parity import parities
from reports.analysis.utilisation import Utilisation, reached
from reports.cells import readable
from reports.summary.figures import Summary
from reports.tables.wording import percent, signed_points

SEEDS = 5
"""Training runs of each precision that the command asks for: what the scatter of seeds needs at least."""
PLAIN = "eager fp32"
SAYS_NOTHING = 100.0
"""An interval of a ratio whose ends are this many times apart: two pairs that differ give such."""


def answer(found: Findings, measured: Summary, learned: Summary | None) -> Iterator[str]:
    if found.winner is None:
        yield "No configuration could be measured: the table says why."
        return
    rate = _rate(found.winner, measured)
    speed = "" if rate is None else f", {readable(rate)} images/s"
    yield (
        f"Of {_count(found)} of {found.winner.model} ({found.winner.workload}, batch "
        f"{found.winner.batch}, {found.winner.device}) the fastest is {in_words(found.winner)}{speed}."
    )
    if not found.is_complete:
        yield "The budget was spent before all was tried: a longer search may find a faster one."
    yield _against_plain(found)
    yield from _against_rivals(found)
    yield f"To repeat it: {command_of(found.winner, found.gpu)}"
    yield _utilisation(found, measured)
    yield _outputs(found.agreement)
    yield _accuracy(found.winner, learned)


def _count(found: Findings) -> str:
    return "1 configuration" if len(found.tried) == 1 else f"{len(found.tried)} configurations"


def in_words(case: Case) -> str:
    """`bf16, channels-last, compile, freezing, 2 threads`: what a search chooses."""
    words = (case.precision, case.layout, case.engine, *names(case.tuning), _threads(case))
    return ", ".join(word for word in words if word)


def _threads(case: Case) -> str:
    """`1 thread`; nothing on a GPU."""
    return (
        f"{case.threads} thread{'s' if case.threads > 1 else ''}"
        if devices.traits(case.device).is_host
        else ""
    )


def command_of(case: Case, gpu: str | None = None) -> str:
    """The command line that measures a case again, on the GPU that was chosen for it if one was; every axis
    that could be another is named.
    """
    own = catalogue.defaults(case.model)
    usual = {
        "image": own.image,
        "channels": own.channels,
        "classes": own.classes,
        "seed": 0,
        "tuning": "",
        "input": "",
    }
    axes = ("model", "workload", "device", "precision", "layout", "engine", "tuning", "batch", "threads")
    sizes = ("input",) if case.input else ("image", "channels")
    words = ["convbench", "run"]
    for axis in (*axes, *sizes, "classes", "seed"):
        value = getattr(case, axis)
        if usual.get(axis) != value:
            words += [f"--{axis}", str(value)]
    chosen = [] if gpu is None else ["--gpu", gpu]
    return shlex.join([*words, *chosen, "--out", "RUN"])


def _rate(winner: Case, measured: Summary) -> float | None:
    """Images per second over all its processes."""
    whole = _whole(winner, measured)
    return whole.time.images_per_second if whole else None


def _whole(winner: Case, measured: Summary) -> Utilisation | None:
    """The wall time of its whole step, and what that reached."""
    figures = [figure for figure in measured.figures if figure.case == winner]
    return next((each for each in reached(figures, ceilings_of(measured)) if each.is_whole), None)


def _against_plain(found: Findings) -> str:
    if found.plain == found.winner:
        return f"It is {PLAIN} itself: nothing that was tried is faster."
    row = next((row for row in found.pairs if row.case_pair.a == found.plain), None)
    if row is not None:
        doubt = {
            "inconclusive": "; that does not tell them apart",
            "equivalent": f", which is the same within {MARGIN:.0%}",
        }.get(row.verdict.verdict, "")
        return f"It is {_times(row)} as fast as {PLAIN} at the same batch, by {_pairs(row)}{doubt}."
    winner = next(one for one in found.tried if one.case == found.winner)
    ratio = ratio_to_plain(winner, found)
    if ratio is None:
        return f"The budget left no time to measure {PLAIN} beside it."
    return (
        f"In one process each it is {readable(ratio.value)} times as fast as {PLAIN} at the same batch; the "
        "budget left no time to confirm that by pairs."
    )


def _times(row: PairRow) -> str:
    """`7.31 times (7.20 to 7.44)`: the winner's speed over the other's."""
    judged = row.verdict
    assert judged.ratio is not None
    text = f"{readable(1 / judged.ratio)} times"
    if judged.low is None or judged.high is None:
        return text
    if judged.high > judged.low * SAYS_NOTHING:
        return f"{text} (an interval too wide to print)"
    return f"{text} ({readable(1 / judged.high)} to {readable(1 / judged.low)})"


def _pairs(row: PairRow) -> str:
    count = row.verdict.n_new
    if count == 1:
        return "one pair of processes, which shows nothing of how processes differ"
    return f"{count} interleaved pairs of processes ({readable(percent(row.verdict.level))}% interval)"


def _against_rivals(found: Findings) -> Iterator[str]:
    """Of each pair of the winner and another candidate; b is what led before the pairs."""
    for row in found.pairs:
        first, other, judged = row.case_pair.b, row.case_pair.a, row.verdict.verdict
        if other == found.winner:
            yield f"It is faster than {in_words(first)}, which led in one process each: {_pairs(row)} say so."
        elif first != found.winner or other == found.plain:
            continue
        elif judged == "inconclusive":
            yield f"{in_words(other)} may be as fast: {_pairs(row)} do not tell them apart."
        elif judged == "equivalent":
            yield f"{in_words(other)} is as fast within {MARGIN:.0%}, by {_pairs(row)}."
        else:
            yield f"It is {_times(row)} as fast as {in_words(other)}, by {_pairs(row)}."


def _utilisation(found: Findings, measured: Summary) -> str:
    assert found.winner is not None
    whole = _whole(found.winner, measured)
    share = whole.utilisation if whole else None
    if found.ceiling_seconds is not None:
        return (
            f"What share of the machine that is was not measured: a ceiling takes about "
            f"{found.ceiling_seconds:.0f} s, and the budget had less left. The same command with --resume "
            "measures it."
        )
    if whole is None or share is None or whole.arithmetic is None:
        return "What share of the machine that is was not measured: it needs the FLOPs and a ceiling."
    left = (
        f"{readable(percent(1 - share.value))}% are left"
        if share.value < 1
        else "nothing is left under that ceiling, which another product may raise"
    )
    bound = f" It is {whole.bound.label}: {whole.bound.why}." if whole.bound else ""
    # of fewer threads than the machine has, the ceiling is lower too
    ceiling = (
        product_name(whole.arithmetic.what),
        f"{readable(whole.arithmetic.per_second / 1e12)} TFLOP/s",
        _threads(found.winner),
    )
    return (
        f"It reaches {readable(percent(share.value))}% of the fastest product in {whole.dtype} measured here "
        f"({', '.join(filter(None, ceiling))}): {left}.{bound}"
    )


def _outputs(found: Agreement | str | None) -> str:
    if not isinstance(found, Agreement):
        return f"How far its outputs are from those of fp32 is not known: {found or 'it was not measured'}."
    ties = f" For {found.near_ties} fp32's choice is so near a tie that this error may turn it."
    return (
        f"Its outputs beside those of {PLAIN} (same random weights, {found.images} random images): relative "
        f"error {found.relative_error:.2g}; the same class for {found.agreeing} of {found.images}."
        f"{ties if found.near_ties else ''}"
    )


def _accuracy(winner: Case, learned: Summary | None) -> str:
    """Whether the precision learns as well, where training runs say so."""
    if winner.precision == "fp32":
        return "Its precision is fp32, so there is no other accuracy to compare."
    verdicts = [
        f"{parity.new.task.dataset}, recipe {parity.new.task.recipe.name}: {parity.difference.verdict}, "
        f"{_in_points(parity.difference)} points"
        for parity in parities(training_runs(learned) if learned else ())
        if parity.axis == "precision"
        and parity.new.subject.case.model == winner.model
        and parity.new.subject.case.precision == winner.precision
    ]
    if verdicts:
        return f"Accuracy of {winner.precision} against fp32 after training: {'; '.join(verdicts)}."
    train = ["convbench", "train", winner.model, "--precision", f"fp32,{winner.precision}"]
    command = shlex.join([*train, "--seeds", str(SEEDS), "--out", "TRAINED"])
    return (
        f"Whether {winner.precision} learns as well as fp32 was not measured; this would, and --from TRAINED "
        f"would say it here: {command}"
    )


def _in_points(found: Difference) -> str:
    return readable(signed_points(found.difference, found.low, found.high))


def ratio_to_plain(one: CandidateResult, found: Findings) -> Ratio | None:
    """How many times as fast it is as the plain case of the same batch; None where either has no time."""
    return _ratio(plain_of(one, found), one)


def plain_of(one: CandidateResult, found: Findings) -> CandidateResult | None:
    """The plain case of the same batch, where the search tried it."""
    if found.plain is None:
        return None
    plain = structs.replace(found.plain, batch=one.case.batch)
    return next((other for other in found.tried if other.case == plain), None)


def _ratio(base: CandidateResult | None, new: CandidateResult | None) -> Ratio | None:
    """How many times as fast `new` is; None where one of them has no time."""
    if base is None or new is None or base.seconds is None or new.seconds is None:
        return None
    return combined(base.seconds, base.interval, new.seconds, new.interval)
