"""The report of a search: who made what how much slower, and what is said where nobody can be named."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec import structs

from bench.schema.case import Case, MeasurementProtocol
from bench.stats import verdicts
from bench.studies.bisect.bisect_state import BisectState, Tried, Wanted
from bench.studies.bisect.narrowing import CommitAnswer
from bench.studies.bisect.revisions import Commit
from reports import formats
from reports.compare.bisect_report import Searched, answer_line, document, known_line

WOBBLE = (0.01, -0.005, 0.005, -0.01) * 2


def commit(name: str) -> Commit:
    return Commit(hash=name * 8, short=name, subject=f"Change {name}", author="Ada", date="2026-03-01")


def tried(name: str, slower: float, answer: CommitAnswer, reason: str = "") -> Tried:
    change = verdicts.interim_verdict([math.log1p(slower) + each for each in WOBBLE])
    return Tried(commit=commit(name), answer=answer, change=change, reason=reason, folder=f"tests/{name}")


WANTED = Wanted(
    good=commit("aaaaa"), bad=commit("fffff"), case=Case(model="vgg16"), protocol=MeasurementProtocol()
)
STEP = tried("fffff", 0.05, "bad")
FOUND = BisectState(
    wanted=WANTED,
    step=STEP,
    tested=(tried("ccccc", 0.0, "good"), tried("ddddd", 0.04, "bad")),
    ended="found",
    suspects=(commit("ddddd"),),
    parent=commit("ccccc"),
    confirmed=tried("ddddd", 0.031, "bad"),
)


def headlines(**changes: Any) -> str:
    found = document(Searched(state=structs.replace(FOUND, **changes)))
    assert found.answer is not None
    return " ".join(found.answer.headlines)


def test_the_commit_is_named_with_what_it_alone_did() -> None:
    assert headlines() == (
        "ddddd 'Change ddddd' by Ada, 2026-03-01, made VGG-16 inference, batch 1 slower: beside its parent "
        "ccccc, it is 3.1% slower (1.7% to 4.5%). Beside GOOD, BAD is 5.0% slower (3.6% to 6.5%)."
    )
    found = document(Searched(state=FOUND))
    assert found.title == "ddddd made VGG-16 inference, batch 1 slower"
    assert found.answer is not None
    assert found.answer.next_step is not None
    assert found.answer.next_step.command == "git show ddddd"
    assert [(row["commit"], row["answer"], row["is_suspect"]) for row in found.rows] == [
        ("fffff" * 8, "bad", 0),
        ("ccccc" * 8, "good", 0),
        ("ddddd" * 8, "bad", 1),
    ]
    assert found.rows[2]["ratio"] == pytest.approx(1.04)
    assert [row["parent_ratio"] for row in found.rows] == [None, None, pytest.approx(1.031)]
    assert (found.rows[2]["parent"], found.rows[2]["parent_pairs"]) == ("ccccc" * 8, 8)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"confirmed": tried("ddddd", 0.0, "good")},
            "beside its parent ccccc, it is not clearly slower (0.0% (",
        ),
        ({"confirmed": None}, "Its parent ccccc could not be measured"),
        ({"confirmed": None, "parent": None}, "It has no parent, so it was not compared with one."),
        (
            {"ended": "suspects", "suspects": (commit("ddddd"), commit("bbbbb"))},
            "One of 2 commits made VGG-16 inference, batch 1 slower, up to ddddd",
        ),
        ({"ended": "small step"}, "which is not known well enough to tell half of it"),
        ({"ended": None, "suspects": ()}, "slower has not ended."),
        (
            {"ended": "no step", "step": tried("fffff", 0.0, "good")},
            "GOOD and BAD do not differ: nothing to find. VGG-16 inference, batch 1 changed by 0.0% (",
        ),
        (
            {"ended": "no step", "step": tried("fffff", -0.05, "good")},
            "is faster, in 5.0% (3.7% to 6.3%) less time at BAD, so nothing made it slower. Add --faster",
        ),
    ],
)
def test_what_is_said_where_nobody_can_be_named(changes: dict[str, Any], said: str) -> None:
    assert said in headlines(**changes)


@pytest.mark.parametrize("name", ["md", "terminal", "json", "csv", "html"])
def test_every_format_has_each_tested_commit(name: str) -> None:
    """A subject is text: HTML in it is none of the page's."""
    odd = structs.replace(commit("bbbbb"), subject="<script>alert(1)</script>", author="A & B")
    skipped = Tried(commit=odd, answer="skip", reason="ImportError: no <layers>")
    state = structs.replace(
        FOUND, tested=(*FOUND.tested, skipped), suspects=(odd, commit("ddddd")), ended="suspects"
    )
    text = formats.render(name, structs.replace(document(Searched(state=state)), whole=True))
    assert all(each in text for each in ("fffff", "ccccc", "ddddd", "bbbbb"))
    assert ("<script>alert(1)" in text) == (name in ("terminal", "json", "csv"))


def test_the_lines_of_a_search_under_way() -> None:
    assert answer_line(STEP) == "fffff is bad: +5.0% (+3.6% to +6.5%) beside GOOD, 8 pairs"
    assert answer_line(tried("bbbbb", 0.0, "skip", "no\nnet")) == "bbbbb is skip: no net"
    begun = structs.replace(FOUND, ended=None, tested=FOUND.tested[:1])
    assert known_line(begun, 3) == "so far: 3 commits may be it, after ccccc (good) and up to fffff (bad)"
    assert known_line(structs.replace(begun, step=None, tested=()), 5).startswith("so far nothing is known")
