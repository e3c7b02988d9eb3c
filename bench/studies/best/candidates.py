"""What a machine can do -> the space of a search, and why the rest of it is left out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import structs

from bench import devices
from bench.contracts.device import Scale
from bench.plan import expand, feasibility
from bench.plan.axes import Value
from bench.plan.named_suites import GRAPH_ENGINES, SHARED_BATCH
from bench.plan.suite import Suite
from bench.schema import tuning
from bench.schema.case import Case
from bench.studies.best.strategy import SEARCHED, Space
from models.errors import UserError

ENGINES = ("eager", "compile", "cudagraph", "compile-reduce-overhead", "compile-max-autotune")
BATCH: Mapping[Scale, int] = {"small": SHARED_BATCH, "large": 64}
"""Where none is asked for: what a CPU does in seconds, and what keeps a GPU busy."""

WhyNot = Callable[[Sequence[Case]], Mapping[Case, str]]
"""`bench.runner.questions.unrunnable` with a server: what torch says against cases on this machine."""


def first_case(given: Mapping[str, tuple[Value, ...]], threads: int) -> Case:
    """The first case of the search, with replicate 0: the first of each axis that is given, else the plain
    value. `threads` are the usable cores. Raises UserError for several values of what is not searched."""
    for axis, values in given.items():
        if axis not in SEARCHED and len(values) > 1:
            raise UserError(f"best needs a single {axis}, got {len(values)}")
    first = {axis: values[:1] for axis, values in given.items()}
    one = Suite(name="", summary="", blocks=(first,), replicates=1)
    case = expand.cases(one, first, threads)[0].without_replicate()
    return case if "batch" in given else structs.replace(case, batch=BATCH[devices.traits(case.device).scale])


def space_of(base: Case, given: Mapping[str, tuple[Value, ...]]) -> tuple[Space, Mapping[str, str]]:
    """The space around a case as far as it is known without torch, and the values that are left out, with
    the reason. Raises UserError where nothing is left of an axis."""
    offered = {axis: given.get(axis, values) for axis, values in _offered(base).items()}
    space, excluded = narrowed(Space(base=base, values=offered), _without_torch)
    tunings = _meaningful(base, offered["tuning"], space.values["engine"])
    base = structs.replace(space.base, **{"tuning": tunings[0]})
    return Space(base=base, values={**space.values, "tuning": tunings}), excluded


def narrowed(space: Space, why_not: WhyNot) -> tuple[Space, Mapping[str, str]]:
    """The space without the precisions and engines that cannot be run, and these, with the reason. Raises
    UserError where nothing is left of an axis."""
    cases = {
        (axis, value): structs.replace(space.base, **{axis: value, "tuning": ""})
        for axis in ("precision", "engine")
        for value in space.values[axis]
    }
    reasons = why_not(list(cases.values()))
    excluded = {str(value): reasons[case] for (_, value), case in cases.items() if case in reasons}
    values = {
        axis: tuple(value for value in values if str(value) not in excluded)
        for axis, values in space.values.items()
    }
    if not all(values.values()):
        raise UserError(f"no configuration can run on this machine: {next(iter(excluded.values()))}")
    first = {axis: found[0] for axis, found in values.items()}
    return Space(base=structs.replace(space.base, **first), values=values), excluded


def _without_torch(cases: Sequence[Case]) -> Mapping[Case, str]:
    return {case: reason for case in cases if (reason := feasibility.why_not_here(case))}


def _offered(base: Case) -> dict[str, tuple[Value, ...]]:
    """The values that a device of this kind has."""
    traits = devices.traits(base.device)
    fewer = (base.threads // 2,) if traits.is_host and base.threads > 1 else ()
    return {
        "precision": traits.precisions,
        "layout": traits.layouts,
        "engine": tuple(name for name in ENGINES if traits.captures_graphs or name not in GRAPH_ENGINES),
        "tuning": tuple(_tunings()),
        "threads": (base.threads, *fewer),
        "batch": (base.batch,),
    }


def _tunings() -> Iterable[str]:
    """Every combination, nothing first."""
    for count in range(len(tuning.NAMES) + 1):
        for chosen in itertools.combinations(tuning.NAMES, count):
            yield tuning.joined(chosen)


def _meaningful(base: Case, tunings: Iterable[Value], engines: Iterable[Value]) -> tuple[Value, ...]:
    """The tunings that some engine can have, those of fewer names first. Raises UserError for none."""
    reasons = {
        value: [
            feasibility.why_impossible(structs.replace(base, **{"tuning": value, "engine": e}))
            for e in engines
        ]
        for value in tunings
    }
    found = [value for value, against in reasons.items() if None in against]
    if not found:
        raise UserError(f"no configuration can run on this machine: {next(iter(reasons.values()))[0]}")
    return tuple(sorted(found, key=lambda value: len(tuning.names(str(value)))))
