"""Shards of a plan: together they are the plan, each process once, and as even as can be."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from bench.plan import expand, plan_processes, shards, suite_plan
from bench.plan.suite_plan import Asked
from bench.runner import plan_file
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan, Shard
from models.errors import UserError
from tests.planted.commands import ROOT

SMALL = Asked(
    given={"model": ("lenet5",), "batch": (1, 2, 4), "device": ("cpu",)}, replicates=4, ceilings=False
)


def processes(cases: int, replicates: int, single: int) -> list[Case]:
    """A plan in its order; the first `single` cases have one process."""
    once = [Case(model="lenet5", batch=1 + number) for number in range(cases)]
    return expand.but_for(once[:single], expand.interleave_replicates(once, replicates))


@given(st.integers(1, 15), st.integers(1, 10), st.integers(0, 15), st.integers(1, 24))
@settings(max_examples=150, deadline=None)
def test_shards_together_are_the_plan_and_as_even_as_can_be(
    cases: int, replicates: int, single: int, count: int
) -> None:
    plan = processes(cases, replicates, single)
    parts = [shards.of_shard(plan, Shard(index, count)) for index in range(count)]
    assert Counter(case for part in parts for case in part) == Counter(plan)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for case in {each.without_replicate() for each in plan}:
        own = [sum(each.without_replicate() == case for each in part) for part in parts]
        assert max(own) - min(own) <= 1
    places = {case: place for place, case in enumerate(plan)}
    for part in parts:
        assert [places[case] for case in part] == sorted(places[case] for case in part)


def test_odd_processes_of_a_case_go_to_other_machines_than_those_of_the_next() -> None:
    """Else every other case would be measured on every other machine alone."""
    plan = processes(24, 2, 0)
    dealt = dict(zip(plan, shards.deal(plan, 4), strict=True))
    of_case: dict[Case, set[int]] = {}
    for case, index in dealt.items():
        of_case.setdefault(case.without_replicate(), set()).add(index)
    assert len({frozenset(indices) for indices in of_case.values()}) > 2


@pytest.mark.slow
def test_the_deal_is_the_same_in_another_process_whatever_its_hashes() -> None:
    code = (
        "from tests.bench.plan.test_shards import processes; from bench.plan import shards;"
        "print(shards.deal(processes(7, 5, 2), 4))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {f"{shards.deal(processes(7, 5, 2), 4)}\n"}


def test_the_deal_does_not_depend_on_the_cores_of_a_machine() -> None:
    plan = processes(7, 5, 2)
    elsewhere = [structs.replace(case, threads=96) for case in plan]
    assert shards.deal(plan, 4) == shards.deal(elsewhere, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1", "must be I/N, from 0/N for the first of N shards, got '1'"),
        ("-1/4", "must be I/N"),
        ("1/2/3", "must be I/N"),
        ("²/4", "must be I/N"),
        ("4/4", "counts from 0: of 4 the last is 3/4, got 4/4"),
        ("0/0", "takes 1 to 10,000 shards"),
        ("0/10001", "takes 1 to 10,000 shards"),
    ],
)
def test_what_is_no_shard_is_told_what_is(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        shards.read(text)


def plan_of(**changes: object) -> KeptPlan:
    return suite_plan.of_suite(structs.replace(SMALL, **changes))


def test_a_plan_keeps_its_shard_and_holds_its_part_alone() -> None:
    parts = [plan_processes.of_plan(plan_of(shard=f"{index}/3")) for index in range(3)]
    assert sorted(map(len, parts)) == [4, 4, 4]
    assert {case for part in parts for case in part} == set(plan_processes.of_plan(plan_of()))


def test_each_shard_measures_the_peak_of_its_own_machine_as_a_process_of_its_own() -> None:
    """Two shards on one machine would else have the same process twice."""
    ceilings = [
        [
            case
            for case in plan_processes.of_plan(plan_of(shard=f"{index}/2", ceilings=True))
            if case.workload == "ceiling"
        ]
        for index in range(2)
    ]
    assert [[case.replicate for case in each] for each in ceilings] == [[1], [2]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"replicates": None, "until": "5%"}, "which --until does not fix: give --replicates"),
        ({"replicates": None, "given": {}, "suite": "quick"}, "which the suite quick does not fix"),
        ({"shard": "0/13"}, "has only 12 processes"),
        ({"shard": "12/13"}, "has only 12 processes"),
    ],
)
def test_what_cannot_be_dealt_out_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        plan_of(**{"shard": "0/2", **changes})


def test_a_resumed_shard_stays_what_it_is(tmp_path: Path) -> None:
    kept = plan_of(shard="1/3", node_name="node7")
    tmp_path.joinpath("run").mkdir()
    plan_file.write(tmp_path / "run", kept)

    def resumed(**changes: object) -> KeptPlan:
        return plan_file.plan_for(structs.replace(Asked(), **changes), tmp_path / "run", resume=True)

    assert resumed() == kept
    assert resumed(shard="1/3", replicates="4", node_name="node7", suite="quick", given=SMALL.given) == kept
    for changes, words in (
        ({"shard": "2/3"}, r"--shard is 1/3 in the plan of .*, got 2/3"),
        ({"node_name": "node8"}, r"--node-name is node7 in the plan of .*, got node8"),
        ({"replicates": 5}, r"is shard 1/3 of a plan with --replicates 4, which must be the same in all"),
        ({"until": "5%"}, r"is shard 1/3 of a plan with --replicates 4"),
    ):
        with pytest.raises(UserError, match=words):
            resumed(**changes)
