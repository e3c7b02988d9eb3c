"""What a series of ranks shows, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from msgspec import structs

from bench.schema.plurals import how_many
from bench.stats.estimates import Ratio
from bench.stats.scaling import ADDITIVE, Share, apart_of, gap_of, is_more, parts_add_up
from bench.stats.scaling_prediction import Prediction
from reports.cells import Quantity, brief, in_two
from reports.scale.scaling_series import ScaledSize, ScalingSeries
from reports.tables.case_names import network_name
from reports.tables.time_words import in_words as time_in_words
from reports.tables.wording import with_interval

PAYS = 0.05
"""From this share of the step on, exposed communication is worth a bigger batch."""
NAMED = 0.005
"""Losses below it are not named."""
_GROWING = ("maps", "activations", "scores")
"""What a step sends more of when its batch is bigger; gradients and weights are as many."""

LOST = {
    "exposed": "exposed communication",
    "skew": "skew",
    "compute": "slower compute",
    "open": "not explained",
}
SHARED_HOST = "ranks share one machine's memory bandwidth and cores: this is no scaling over devices"


def name_of(series: ScalingSeries) -> str:
    """`VGG-16, ddp, batch 32 a GPU`, `VGG-16, ddp, batch 64 in all`"""
    case = series.most.case
    batch = f"batch {case.batch} in all"
    if series.kind == "weak" and case.batch % case.ranks == 0:
        batch = f"batch {case.batch // case.ranks} a {series.unit}"
    return f"{network_name(case.model)}, {series.strategy}, {batch}"


def headline(series: ScalingSeries) -> str:
    """`VGG-16, ddp, batch 32 a GPU: 8 GPUs do 7.4x the images of 1 (7.2x to 7.6x), efficiency 92%. ...`"""
    most = series.most
    if most.scaling is None:
        figure = with_interval(most.time.median, most.time.interval)
        units = how_many(most.ranks, series.unit)
        verb = "takes" if figure.is_resolved else "is"
        told = f"a step of {units} {verb} {time_in_words(figure)}"
        return f"{name_of(series)}: {told}; fewer were not measured."
    speed_up = speed_up_of(most)
    assert speed_up is not None
    units, fewest = how_many(most.ranks, series.unit), series.sizes[0].ranks
    if not speed_up.is_resolved:
        return f"{name_of(series)}: the speed-up of {units} over {fewest} is {brief(speed_up)}."
    number, interval = _in_two(speed_up)
    efficiency = f"efficiency {most.scaling.efficiency.value:.0%}"
    return (
        f"{name_of(series)}: {units} do {number} the images of {fewest}{interval}, "
        f"{efficiency}.{_lost(series)}"
    )


def speed_up_of(size: ScaledSize) -> Quantity | None:
    """Over the fewest ranks; † marks that of one job."""
    return None if size.scaling is None else _marked(size, size.scaling.speed_up, 1.0, "x")


def efficiency_of(size: ScaledSize) -> Quantity | None:
    """Likewise, in percent."""
    return None if size.scaling is None else _marked(size, size.scaling.efficiency, 100.0, "%")


def _marked(size: ScaledSize, ratio: Ratio, scale: float, unit: str) -> Quantity:
    found = with_interval(ratio.value, ratio.interval, scale, unit)
    return structs.replace(found, of_one=True) if len(size.time.medians) == 1 else found


def _in_two(speed_up: Quantity) -> tuple[str, str]:
    """`7.4x`, ` (7.2x to 7.6x)`; of one job alone `7.4x †` and nothing."""
    if speed_up.across is None:
        return brief(speed_up), ""
    number, interval = in_two(structs.replace(speed_up, interval="ends"))
    return number, f" {interval}"


def _lost(series: ScalingSeries) -> str:
    """` Lost: exposed communication 5%, skew 3%.`"""
    shares = losses_of(series.most)
    if not shares:
        why = series.most.why_no_parts
        return f" Where the rest goes was not measured: {why}." if why else ""
    named = [f"{LOST[name]} {share:.0%}" for name, share in shares if share >= NAMED]
    return f" Lost: {', '.join(named)}." if named else ""


def losses_of(size: ScaledSize) -> list[tuple[str, float]]:
    """(name of LOST, share of the step), the largest first; empty where they are not known."""
    if size.losses is None:
        return []
    found = {name: getattr(size.losses, name).value for name in LOST}
    return sorted(found.items(), key=lambda each: -each[1])


def limit(series: ScalingSeries) -> str:
    """`At 8 GPUs the step loses most to exposed communication, 5%. From 4 GPUs on a bigger batch pays.`"""
    shares = losses_of(series.most)
    if not shares or shares[0][1] < NAMED or not is_sure(series):
        return ""
    return f"{_most_lost(series, [name for name, _ in shares])} {_batch(series)}"


def _most_lost(series: ScalingSeries, names: Sequence[str]) -> str:
    """The largest loss, of names in falling order; where its interval does not tell it from the next ones,
    those as well."""
    found = {name: getattr(series.most.losses, name) for name in names}
    first, *others = names
    named = [name for name in others if name != "open"]
    alike = [first, *(name for name in named if not is_more(found[first], found[name]))]
    units = how_many(series.most.ranks, series.unit)
    if first == "open":
        return f"At {units} most of the loss is not explained, {found[first].value:.0%} of the step."
    if len(alike) == 1:
        return f"At {units} the step loses most to {LOST[first]}, {found[first].value:.0%}."
    listed = [f"{LOST[name]} ({_brief_share(found[name])})" for name in alike]
    return f"At {units} it is not resolved what costs most: {', '.join(listed[:-1])} or {listed[-1]}."


def _brief_share(share: Share) -> str:
    """`32%, 20% to 44%`"""
    if share.interval is None:
        return f"{share.value:.0%}"
    return f"{share.value:.0%}, {share.interval.low:.0%} to {share.interval.high:.0%}"


def is_sure(series: ScalingSeries) -> bool:
    """Whether the speed-up of the most ranks is resolved, and their parts are known and add up."""
    most = series.most
    if not most.parts or not parts_add_up(most.parts):
        return False
    found = speed_up_of(most)
    return found is not None and found.is_resolved


def _batch(series: ScalingSeries) -> str:
    """From which N on a bigger batch pays: the messages of gradients stay as they are, computing grows."""
    if sends_more_with_batch(series):
        return "A bigger batch does not help: what the ranks send grows with it."
    first = pays_from(series)
    if first is not None:
        same = "most of what is sent" if growing_share(series) else "what is sent"
        return f"From {how_many(first, series.unit)} on a bigger batch pays: it does not change {same}."
    if any(_exposed_ends(size)[1] > PAYS for size in series.several):
        return (
            "Whether a bigger batch pays is not resolved: exposed communication may be above or below "
            f"{PAYS:.0%} of the step."
        )
    return f"Exposed communication stays below {PAYS:.0%}: a bigger batch pays at none of these sizes."


def pays_from(series: ScalingSeries) -> int | None:
    """The fewest ranks where exposed communication takes more than PAYS of the step, beyond its interval."""
    return next((size.ranks for size in series.several if _exposed_ends(size)[0] > PAYS), None)


def _exposed_ends(size: ScaledSize) -> tuple[float, float]:
    """Of the interval of its share of the step; of one job both are the share."""
    if size.losses is None:
        return 0.0, 0.0
    found = size.losses.exposed
    return (found.value, found.value) if found.interval is None else (found.interval.low, found.interval.high)


def sends_more_with_batch(series: ScalingSeries) -> bool:
    return growing_share(series) > 0.5


def growing_share(series: ScalingSeries) -> float:
    """Of the bytes that a step sends those that are more in a bigger batch."""
    traffic = series.most.jobs[0].traffic if series.most.jobs else ()
    grows = sum(each.message_bytes for each in traffic if any(word in each.what for word in _GROWING))
    return grows / max(1, sum(each.message_bytes for each in traffic))


def predicted(series: ScalingSeries, prediction: Prediction) -> str:
    """`Prediction for 16 GPUs: 1.2 s a step, efficiency 88%. On the measured 1, 2 and 4 it is off by ...`"""
    step = prediction.step
    fewest = series.sizes[0]
    per_rank = series.kind == "weak"
    ideal = fewest.time.median * (1.0 if per_rank else fewest.ranks / step.ranks)
    sizes = [str(ranks) for ranks, _ in prediction.errors]
    worst = math.ceil(100 * max(abs(error) for _, error in prediction.errors))
    units, seconds = how_many(step.ranks, series.unit), time_in_words(Quantity(value=step.step))
    return (
        f"Prediction for {units}: {seconds} a step, efficiency {ideal / step.step:.0%}. At "
        f"{', '.join(sizes[:-1])} and {sizes[-1]} the same formula is off by at most {worst}%."
    )


def does_not_add_up(found: Sequence[ScalingSeries]) -> Iterator[str]:
    """A sentence on the number of ranks whose parts differ most from the step, where it is by more than 5%,
    and on how many others do."""
    apart = [
        (apart_of(size.parts), series, size)
        for series in found
        for size in series.several
        if size.parts and not parts_add_up(size.parts)
    ]
    if apart:
        off, series, size = max(apart, key=lambda each: each[0])
        more = f" (and {len(apart) - 1} more)" if len(apart) > 1 else ""
        gap = gap_of(size.parts)
        told = f"add up to {1 + gap:.0%} of the step, not to within {ADDITIVE:.0%}"
        if abs(gap) <= ADDITIVE:
            told = f"are {off:.0%} off the step on average, too much in one job and too little in another"
        yield (
            f"{name_of(series)}, {how_many(size.ranks, series.unit)}: compute, skew and exposed "
            f"communication {told}: its parts are unreliable{more}."
        )
