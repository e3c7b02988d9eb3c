"""The answer of a search on one screen: what is fastest, by how much, how sure that is, and what it costs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from bench import devices
from bench.schema.agreement import Agreement
from bench.schema.case import Case
from bench.schema.plurals import how_many
from bench.schema.tuning import names
from bench.stats.accuracy_verdicts import Difference
from bench.stats.verdicts import MARGIN
from bench.studies.ab.pair_rows import PairRow
from bench.studies.best.search_result import Findings
from reports.analysis.learned import training_runs
from reports.analysis.measured_ceilings import ceilings_of
from reports.analysis.parity import parities
from reports.analysis.utilisation import Utilisation, reached
from reports.cells import ONE, Quantity, brief, readable
from reports.pages.alarms import above_peak
from reports.pages.candidate_figures import figure_of, ratio_to_plain, result_of
from reports.summary.figures import Summary
from reports.tables.case_names import case_name
from reports.tables.time_words import in_words as time_in_words
from reports.tables.wording import signed_points, with_interval

SEEDS = 5
"""Training runs of each precision that the command asks for: what the scatter of seeds needs at least."""
PLAIN = "fp32 eager"
_FEW_DIGITS = 2.0
"""Ratios from here up have two digits, others three."""


def headlines(found: Findings, measured: Summary, learned: Summary | None) -> Iterator[str]:
    """What is fastest and by how much; what may be as fast; what limits it; what it does to outputs and
    accuracy."""
    if found.winner is None:
        yield _nothing(found)
        return
    yield " ".join((_fastest(found.winner, found), _against_plain(found)))
    yield from _against_rivals(found)
    yield _limit(found, measured)
    if found.winner != found.plain:
        yield " ".join((_outputs(found.agreement), _accuracy(found.winner, learned)))


def _nothing(found: Findings) -> str:
    if found.tried:
        return "No configuration could be measured; --section candidates gives the reasons."
    return "Nothing was measured: the budget ended before the first configuration could start."


def _fastest(winner: Case, found: Findings) -> str:
    """`AlexNet inference, batch 8: 9.44 ms ±2%, 848 images/s with bf16, channels-last, compile.`"""
    one = result_of(winner, found)
    time = with_interval(one.seconds or 0.0, one.interval)
    rate = f", {brief(one.images_per_second)} images/s" if time.is_resolved else ""
    return f"{case_name(winner)}: {time_in_words(time)}{rate} with {in_words(winner)}."


def in_words(case: Case) -> str:
    """`bf16, channels-last, compile, freezing, 2 threads`: what a search chooses."""
    words = (case.precision, case.layout, case.engine, *names(case.tuning), threads_in_words(case))
    return ", ".join(word for word in words if word)


def threads_in_words(case: Case) -> str:
    """`1 thread`; nothing on a GPU."""
    if not devices.traits(case.device).is_host:
        return ""
    return how_many(case.threads, "thread")


def _against_plain(found: Findings) -> str:
    if found.plain == found.winner:
        others = any(one.seconds is not None and one.case != found.plain for one in found.tried)
        return f"Nothing that was tried is faster than {PLAIN}." if others else f"Only {PLAIN} was measured."
    row = pair_with_plain(found)
    if row is not None:
        return _judged(row, PLAIN)
    assert found.winner is not None
    ratio = ratio_to_plain(result_of(found.winner, found), found)
    if ratio is None:
        return f"Not compared with {PLAIN}: the budget was used up."
    times = with_interval(ratio.value, ratio.interval, unit="x")
    alike = f"Not distinguishable from {PLAIN}"
    told = ratio_in_words(times, f" as fast as {PLAIN}") if times.is_resolved else alike
    return f"{told} in one process each, not confirmed in pairs: the budget was used up."


def pair_with_plain(found: Findings) -> PairRow | None:
    """The pairs of the winner with fp32 eager."""
    return next(
        (row for row in found.pairs if (row.case_pair.a, row.case_pair.b) == (found.plain, found.winner)),
        None,
    )


def speed(row: PairRow) -> Quantity | None:
    """How many times as fast b is as a, with the interval of the pairs; None of a single pair."""
    judged = row.verdict
    if judged.ratio is None or judged.low is None or judged.high is None or judged.low <= 0:
        return None
    return Quantity(value=1 / judged.ratio, low=1 / judged.high, high=1 / judged.low, unit="x")


def ratio_in_words(times: Quantity, of: str = "", more: str = "") -> str:
    """`8.1x as fast as fp32 eager (6.6x to 9.8x, 8 pairs)`: `of` follows the number, `more` the interval."""
    digits = 2 if times.value >= _FEW_DIGITS else 3
    number, low, high = (
        "" if each is None else readable(Quantity(value=each, unit="x"), digits)
        for each in (times.value, times.low, times.high)
    )
    about = "about " if times.state == "about" else ""
    interval = f"{low} to {high}" if low and high and not times.of_one else ""
    told = ", ".join(filter(None, (interval, more)))
    mark = f" {ONE}" if times.of_one else ""
    return f"{about}{number}{mark}{of}{f' ({told})' if told else ''}"


def _judged(row: PairRow, other: str) -> str:
    """What the pairs of the winner with another say, in a sentence that its verdict supports."""
    pairs, times = pairs_in_words(row), speed(row)
    if row.verdict.n_new == 1:
        return f"Not confirmed against {other}: a single pair."
    if row.verdict.verdict == "equivalent":
        return f"As fast as {other} within {MARGIN:.0%} ({pairs})."
    if row.verdict.verdict == "inconclusive" or times is None:
        return f"Not distinguishable from {other} ({pairs})."
    if row.verdict.verdict == "slower":
        return f"Slower than {other} in {pairs}, though faster in the search: not confirmed."
    if not times.is_resolved:
        low, high = (readable(end, 2) for end in (times.low, times.high))
        return f"{low}x to {high}x as fast as {other} ({pairs})."
    return f"{ratio_in_words(times, f' as fast as {other}', pairs)}."


def pairs_in_words(row: PairRow) -> str:
    """`8 pairs`"""
    return how_many(row.verdict.n_new, "pair")


def _against_rivals(found: Findings) -> Iterator[str]:
    """Of each pair of the winner and another candidate; b is what led before the pairs."""
    alike = []
    for row in found.pairs:
        first, other = row.case_pair.b, row.case_pair.a
        if other == found.winner:
            yield f"{in_words(first)} led in the search; in {pairs_in_words(row)} it is slower."
        elif first == found.winner and other != found.plain and row.verdict.verdict in ALIKE:
            alike.append(f"{in_words(other)} ({pairs_in_words(row)})")
    if alike:
        yield f"Not distinguishable from {' and '.join(alike)}."


ALIKE = ("equivalent", "inconclusive")
"""Verdicts of a rival that may be as fast."""


def _limit(found: Findings, measured: Summary) -> str:
    assert found.winner is not None
    if found.ceiling_seconds is not None:
        return (
            f"% of peak: not measured, since the budget had less than the {found.ceiling_seconds:.0f} s left "
            "that it takes; --resume measures it."
        )
    whole = next(iter(_wholes(found.winner, measured)), None)
    if whole is None or whole.utilisation is None or whole.arithmetic is None:
        return "% of peak: not measured; it takes counted FLOPs and a measured peak (--ceilings)."
    if not with_interval(whole.time.median, whole.time.interval).is_resolved:
        return "% of peak: not known, since the time is not resolved."
    share = with_interval(whole.utilisation.value, whole.utilisation.interval)
    if share.value > 1 or not share.is_resolved:
        why = "is too low" if share.value > 1 else "is not resolved"
        return f"% of peak: not known, since the measured {whole.dtype} peak {why}."
    machine = "CPU" if devices.traits(found.winner.device).is_host else "GPU"
    peak = f"{brief(whole.arithmetic.per_second / 1e12)} TFLOP/s"
    threads = threads_in_words(found.winner)
    about = "about " if share.state == "about" else ""
    told = f"{about}{share.value:.0%} of this {machine}'s measured {whole.dtype} peak"
    bound = f"; {whole.bound.label}" if whole.bound else ""
    return f"Limit: {told} ({', '.join(filter(None, (peak, threads)))}){bound}{_of_bandwidth(whole)}."


def _of_bandwidth(whole: Utilisation) -> str:
    """Of what memory limits, how far."""
    if whole.bound is None or whole.bound.label != "memory-bound" or whole.bandwidth_share is None:
        return ""
    share = with_interval(whole.bandwidth_share.value, whole.bandwidth_share.interval)
    # above 1 caches spare the memory
    return f" at {share.value:.0%} of peak bandwidth" if share.is_resolved and share.value <= 1 else ""


def _wholes(case: Case, measured: Summary) -> list[Utilisation]:
    """The wall times of its whole steps, and what they reached."""
    figures = [figure for figure in measured.figures if figure.case == case]
    return [each for each in reached(figures, ceilings_of(measured)) if each.is_whole]


def _outputs(found: Agreement | str | None) -> str:
    if not isinstance(found, Agreement):
        return f"Outputs vs {PLAIN}: not compared ({found or 'not measured'})."
    ties = (
        f"; {found.near_ties} of {found.images} images are near ties in fp32, so their class may flip"
        if found.near_ties
        else ""
    )
    return (
        f"Outputs: same class as {PLAIN} for {found.agreeing} of {found.images} random images{ties} "
        f"(relative error {found.relative_error:.2g})."
    )


def _accuracy(winner: Case, learned: Summary | None) -> str:
    """Whether the precision learns as well, where training runs say so."""
    if winner.precision == "fp32":
        return "Accuracy: fp32, so nothing changes."
    verdicts = [
        f"{parity.difference.verdict} on {parity.new.task.dataset}, recipe {parity.new.task.recipe.name} "
        f"at {_in_points(parity.difference)} points"
        for parity in parities(training_runs(learned) if learned else ())
        if parity.axis == "precision"
        and parity.new.subject.case.model == winner.model
        and parity.new.subject.case.precision == winner.precision
    ]
    if verdicts:
        return f"Accuracy of {winner.precision} vs fp32: {'; '.join(verdicts)}."
    train = ["convbench", "train", winner.model, "--precision", f"fp32,{winner.precision}"]
    command = shlex.join([*train, "--seeds", str(SEEDS)])
    return f"Accuracy after training: not measured. To measure it: {command}"


def _in_points(found: Difference) -> str:
    return readable(signed_points(found.difference, found.low, found.high))


def alarms(found: Findings, measured: Summary) -> Iterator[str]:
    """Where the winner is above the measured peak, or the search and its confirmation in pairs contradict
    each other."""
    if found.winner is not None:
        yield from above_peak(_wholes(found.winner, measured))
    row = pair_with_plain(found)
    if row is not None and row.verdict.verdict == "slower":
        yield f"{PLAIN} was faster than the fastest of the search in {pairs_in_words(row)}: search again."
    for case in dict.fromkeys(case for row in found.pairs for case in (row.case_pair.b, row.case_pair.a)):
        yield from _unlike_in_pairs(case, found, measured)


CLOSE = 1.1
"""Processes of one configuration differ by less than this factor on a steady machine."""


def _unlike_in_pairs(case: Case, found: Findings, measured: Summary) -> Iterator[str]:
    """A sentence where the search's interval and the processes of the pairs lie more than CLOSE apart."""
    figure = figure_of(case, measured)
    searched = next((one for one in found.tried if one.case == case), None)
    if figure is None or searched is None or searched.seconds is None:
        return
    paired = [median for median, pair in zip(figure.medians, figure.pairs, strict=True) if pair is not None]
    if not paired:
        return
    interval = searched.interval
    low, high = (interval.low, interval.high) if interval else (searched.seconds, searched.seconds)
    if low > CLOSE * max(paired) or CLOSE * high < min(paired):
        one, least, most = (
            time_in_words(Quantity(value=each)) for each in (searched.seconds, min(paired), max(paired))
        )
        yield (
            f"{in_words(case)}: {one} in the search, {least} to {most} in the pairs. The machine was not "
            "steady; search again when it is idle."
        )
