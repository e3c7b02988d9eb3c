"""Verdicts on times as sentences: how many changed, by how much, and what could not be seen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from bench.schema.plurals import all_of
from bench.stats.verdicts import NO_RATIO, ONE_PROCESS
from reports.cells import brief
from reports.compare.changes import LARGEST_TOLD, Judged, best_guess, in_speed, visible_from

CHANGED = ("slower", "faster")
_ORDER = (*CHANGED, "equivalent", "inconclusive")
MOST_NAMED = 2
"""Changes that a sentence names, the largest first."""


class NamedTime(Struct, frozen=True):
    """The verdict on the time of a case, and what people call the case."""

    name: str
    judged: Judged


def title(times: Sequence[NamedTime]) -> str:
    """`1 slower, 9 equivalent, 4 inconclusive`, `All 14 times are equivalent`: of at least one time."""
    words = _counted(times)
    if len(times) == 1:
        return f"{times[0].name}: {times[0].judged.verdict}"
    for alone in ("equivalent", "inconclusive"):
        if words[alone] == len(times):
            return f"{all_of(len(times)).capitalize()} times are {alone}"
    return ", ".join(f"{words[word]:,} {word}" for word in _ORDER if words[word])


def sentences(times: Sequence[NamedTime], margin: float) -> Iterator[str]:
    """One or two: what changed, and what is known of the others. At least one time; `margin` is a share."""
    words = _counted(times)
    changed = [time for time in times if time.judged.verdict in CHANGED]
    if len(times) == 1:
        yield _of_one(times[0], margin)
    elif changed:
        yield _changes(changed, words, len(times))
        yield from _others(times, words, margin)
    elif words["equivalent"] == len(times):
        yield f"No time changed: {all_of(len(times))} are equivalent within {_share(margin)}."
    elif words["inconclusive"] == len(times):
        yield f"Undecided: {all_of(len(times))} times are inconclusive; {unseen(times)}."
    else:
        yield f"No change found in {len(times):,} times."
        yield from _others(times, words, margin)


def _counted(times: Sequence[NamedTime]) -> Counter[str]:
    return Counter(time.judged.verdict or "" for time in times)


def _of_one(time: NamedTime, margin: float) -> str:
    word = time.judged.verdict
    if word in CHANGED:
        return f"{time.name} {in_speed(time.judged)}."
    if word == "equivalent":
        return f"{time.name} is equivalent within {_share(margin)}: {best_guess(time.judged)}."
    guess = best_guess(time.judged)
    told = f"{guess} is inconclusive; " if guess else ""
    return f"{time.name} is undecided: {told}{unseen([time])}."


def _changes(changed: Sequence[NamedTime], words: Counter[str], all_: int) -> str:
    """`1 of 14 times changed: LeNet-5 inference, batch 1 is 12% slower (3% to 21%).`"""
    largest = sorted(changed, key=lambda time: -abs(math.log(time.judged.ratio or 1.0)))[:MOST_NAMED]
    named = "; ".join(f"{time.name} {in_speed(time.judged)}" for time in largest)
    if len(changed) > len(largest):
        named = f"most of all {named}"
    counts = ", ".join(f"{words[word]:,} {word}" for word in CHANGED if words[word])
    apart = f" ({counts})" if len(changed) > 1 else ""
    return f"{len(changed):,} of {all_:,} times changed{apart}: {named}."


def _others(times: Sequence[NamedTime], words: Counter[str], margin: float) -> Iterator[str]:
    """`9 are equivalent within 2%; 4 are inconclusive: changes below 15% may have gone unseen.`"""
    equal, open_ = words["equivalent"], words["inconclusive"]
    parts = []
    if equal:
        parts.append(f"{equal:,} {'is' if equal == 1 else 'are'} equivalent within {_share(margin)}")
    if open_:
        undecided = [time for time in times if time.judged.verdict == "inconclusive"]
        who = f"{open_:,} {'is' if open_ == 1 else 'are'}" if equal else _the_others(open_)
        parts.append(f"{who} inconclusive: {unseen(undecided)}")
    if parts:
        yield f"{'; '.join(parts)}."


def _the_others(count: int) -> str:
    return "The other one is" if count == 1 else f"The other {count:,} are"


def unseen(undecided: Sequence[NamedTime]) -> str:
    """`changes below 15% may have gone unseen, at worst below 40%`: of the best known time, and the worst;
    then how many have one process on a side."""
    known = [each.judged.detectable for each in undecided if each.judged.detectable is not None]
    single = sum(each.judged.detectable is None and each.judged.ratio is not None for each in undecided)
    if not known:
        return ONE_PROCESS if single else NO_RATIO
    also = f"; {single:,} {'has' if single == 1 else 'have'} one process on a side" if single else ""
    return _unseen(known) + also


def _unseen(known: Sequence[float]) -> str:
    if min(known) >= LARGEST_TOLD:
        return "even a tenfold change may have gone unseen"
    best, worst = (brief(visible_from(share)) for share in (min(known), max(known)))
    at_worst = "even a tenfold one" if max(known) >= LARGEST_TOLD else f"below {worst}"
    return f"changes below {best} may have gone unseen" + (f", at worst {at_worst}" if best != worst else "")


def _share(margin: float) -> str:
    return f"{100 * margin:g}%"
