"""What more processes would do for an interval: how many it takes, in about how many seconds, and how one
says so."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from bench.plan import estimate
from bench.plan.suite import MOST_PROCESSES, first_processes
from bench.schema import durations
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan
from bench.schema.phases import whole
from bench.stats.moderation import MOST_MORE, more_processes
from models.errors import UserError
from reports.cells import Scalar
from reports.summary.contended import not_alone
from reports.summary.figures import THROUGHPUT_METRICS, Figure, Summary

TARGET = 0.05
"""The half width of an interval that is good enough where nobody asked for another."""
WHEN_ALONE = ", once no other program runs there"
"""What must be so before further processes of a contended run tell more."""


class Further(Struct, frozen=True, kw_only=True):
    """The processes that would narrow an interval, beside those there are.

    more     about how many; None: more than MOST_MORE
    seconds  that they take, one after the other, with their servers; None where the records do not say
    target   the half width that they bring the interval to, a share
    """

    more: int | None
    seconds: float | None
    target: float

    @property
    def in_words(self) -> str:
        """`4 more, about 50 s`"""
        return told(self.more, self.seconds)

    def as_fields(self) -> dict[str, Scalar]:
        """For programs: beside a row's figure."""
        return {"more_processes": self.more, "more_seconds": self.seconds, "more_target": self.target}


def further(figure: Figure, seconds: Mapping[Case, float], target: float) -> Further | None:
    """What would bring the time of a whole step to `target`: 0 processes where it is there.

    None for any other figure, and where nothing is known of how its processes differ. `seconds` are those
    of a process of each case.
    """
    parts = figure.interval.parts if figure.interval else None
    if parts is None or not is_watched(figure):
        return None
    more = more_processes(parts, len(figure.medians), target)
    taken = times(more, seconds.get(figure.case))
    if taken is not None and more is not None:
        taken += estimate.servers_seconds([[figure.case]] * more)
    return Further(more=more, seconds=taken, target=target)


def furthest(figures: Iterable[Figure], seconds: Mapping[Case, float], target: float) -> Further | None:
    """Of the figures of one case what the widest asks for; None where all are narrow enough."""
    found = [each for figure in figures if (each := further(figure, seconds, target)) and each.more != 0]
    return max(found, key=lambda each: math.inf if each.more is None else each.more, default=None)


def times(more: int | None, seconds: float | None, servers: int = 0) -> float | None:
    """What so many processes take, for each of which so many servers are started."""
    if more is None or seconds is None:
        return None
    return more * (seconds + servers * estimate.SERVER_SECONDS)


def told(more: int | None, seconds: float | None, what: str = "more") -> str:
    """`4 more, about 50 s`, `12 more pairs`, `more than 50`; `what` follows the number."""
    if more is None:
        return f"more than {MOST_MORE}"
    return f"{more} {what}" + (f", {durations.about(seconds)}" if seconds is not None else "")


def is_watched(figure: Figure) -> bool:
    """Whether `--until` looks at it: the time of a whole step, by a clock that says how long it takes."""
    is_step = figure.layer is None and figure.product is None and figure.phase == whole(figure.case)
    return is_step and figure.metric in THROUGHPUT_METRICS


class Narrowing(Struct, frozen=True, kw_only=True):
    """What `--until` would do for a run.

    wide      cases of several processes whose intervals are wider
    of        cases of several processes
    beyond    wide ones that would need more processes than a case gets
    processes that the case has which needs most, in the end
    seconds   that the processes take which `--until` runs, with their servers: of wide cases, and of those
              that have fewer than it begins with; None where the records do not say
    """

    wide: int
    of: int
    beyond: int
    processes: int
    seconds: float | None


def narrowing(summary: Summary, target: float) -> Narrowing:
    """Of the times that `--until` looks at, by the worst clock of each case."""
    processes: dict[Case, int] = {}
    wanted: dict[Case, int] = {}
    for figure in summary.figures:
        found = further(figure, summary.seconds, target)
        if found is None or len(figure.medians) < 2 or None not in figure.pairs:
            continue  # of one process, or of `ab`, whose pairs no command adds to
        processes[figure.case] = len(figure.medians)
        more = MOST_MORE if found.more is None else found.more
        wanted[figure.case] = max(wanted.get(figure.case, 0), more)
    wide = {case: more for case, more in wanted.items() if more > 0}
    first = first_processes(target)
    runs = {case: max(min(n + wanted[case], MOST_PROCESSES), first) - n for case, n in processes.items()}
    taken = [times(more, summary.seconds.get(case)) for case, more in runs.items() if more > 0]
    known = [seconds for seconds in taken if seconds is not None]
    return Narrowing(
        wide=len(wide),
        of=len(wanted),
        beyond=sum(processes[case] + more > MOST_PROCESSES for case, more in wide.items()),
        processes=max(
            (min(processes[case] + more, MOST_PROCESSES) for case, more in wide.items()), default=0
        ),
        seconds=sum(known) + _servers(runs) if len(known) == len(taken) else None,
    )


def _servers(more: Mapping[Case, int]) -> float:
    """Seconds to start one for each round, of cases that need so many more processes."""
    rounds = range(max(more.values(), default=0))
    return estimate.servers_seconds([[case for case, n in more.items() if n > at] for at in rounds])


def narrowing_in_words(summary: Summary, directories: Sequence[Path], target: float) -> Iterator[str]:
    """`9 of 24 cases with several processes are wider than ±5%. To narrow them, in about 4 minutes: convbench
    run --resume --out runs/1 --until 5%`. Nothing where no case is."""
    found = narrowing(summary, target)
    if not found.wide:
        return
    seen = f"{found.wide:,} of {found.of:,} cases with several processes are wider than ±{share(target)}"
    if found.beyond == found.wide:
        yield (
            f"{seen}; each would need more than {MOST_PROCESSES} processes, after which --until gives up "
            "(--replicates does not)."
        )
        return
    what = "them" if not found.beyond else f"{found.wide - found.beyond:,} of them"
    typed = resume_command(directories[0], "--until", share(target)) if len(directories) == 1 else None
    seconds = found.seconds if typed else seconds_to(found.processes, summary)
    last = f", in {durations.about(seconds)}" if seconds is not None else ""
    first = WHEN_ALONE if not_alone(summary.figures) else ""
    yield f"{seen}. To narrow {what}{last}{first}: {typed or again('--replicates', str(found.processes))}"


def seconds_to(processes: int, summary: Summary) -> float | None:
    """What it takes until every timed case has so many; None where the records do not say."""
    there = {figure.case: len(figure.medians) for figure in summary.figures if is_watched(figure)}
    if not all(case in summary.seconds for case in there):
        return None
    more = {case: max(processes - n, 0) for case, n in there.items()}
    return math.fsum(n * summary.seconds[case] for case, n in more.items()) + _servers(more)


def with_further(
    rows: Iterable[dict[str, Scalar]],
    figures: Iterable[Figure],
    seconds: Mapping[Case, float],
    target: float,
) -> Iterator[dict[str, Scalar]]:
    """The rows of these figures; of the time of a whole step with what would narrow its interval."""
    for row, figure in zip(rows, figures, strict=True):
        found = further(figure, seconds, target)
        yield row | found.as_fields() if found else row


def rounded_down(value: float) -> float:
    """A share to two figures of its percentage, so that what is asked for is enough."""
    step = 10.0 ** (math.floor(math.log10(100 * value)) - 1)
    return math.floor(100 * value / step + 1e-9) * step / 100


def share(value: float) -> str:
    """`5%`, `0.56%`"""
    return f"{100 * value:.4g}%"


def target_of(directories: Sequence[Path]) -> float:
    """The half width that these runs were made for, the smallest; TARGET where none was."""
    found = [plan.until for plan in map(plan_of, directories) if plan is not None and plan.until is not None]
    return min(found, default=TARGET)


def again(*options: str) -> str:
    """In the place of a command, of a run whose folder does not say what it measures."""
    return f"the command of the run again, with --resume {' '.join(options)}"


def resume_command(directory: Path, *options: str) -> str | None:
    """What continues a run, as one types it; None where the folder keeps no plan, and so cannot say what it
    measures."""
    if plan_of(directory) is None:
        return None
    return shlex.join(["convbench", "run", "--resume", "--out", str(directory), *options])


def plan_of(directory: Path) -> KeptPlan | None:
    """None where there is none, or none that this version reads: then nothing can be said of it here."""
    from bench.runner import plan_file

    try:
        return plan_file.read(directory)
    except UserError:
        return None
