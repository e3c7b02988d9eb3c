"""The first screen of interleaved pairs: which side is faster, how sure that is, and what to do next."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.stats import verdicts
from bench.stats.estimates import across_processes, centre
from bench.studies.ab.pair_rows import CasePair, PairRow
from reports import formats
from reports.compare.ab_answer import Trialled, answer, short_title
from reports.compare.ab_report import document
from tests.planted.shown_cells import rows_of

A = Case(model="lenet5", image=28, channels=1, classes=10, threads=2, replicate=0)
WOBBLE = (0.002, -0.001, 0.001, -0.002, 0.002, -0.001, 0.001, -0.002)
NOISE = (0.05, -0.03, 0.04, -0.06, 0.05, -0.04, 0.03, -0.02)
COMMAND = ("ab", "--model", "lenet5", "--b", "layout=channels-last")


def pairs(logs: Sequence[float], *, batch: int = 1, seconds: float | None = 3.0) -> PairRow:
    """A row whose pairs have these logs of b / a."""
    a = [0.01] * len(logs)
    b = [0.01 * math.exp(log) for log in logs]
    verdict = verdicts.interim_verdict(list(logs), last=True)
    assert verdict is not None
    case = structs.replace(A, batch=batch)
    return PairRow(
        case_pair=CasePair(a=case, b=structs.replace(case, layout="channels-last")),
        phase="forward",
        metric="wall_time",
        decides=True,
        a=centre(a),
        b=centre(b),
        a_interval=across_processes(a),
        b_interval=across_processes(b),
        verdict=verdict,
        seconds=seconds,
    )


def shifted(by: float, logs: Sequence[float] = WOBBLE) -> PairRow:
    return pairs([by + log for log in logs])


def tried(**known: Any) -> Trialled:
    return Trialled(labels=("layout=nchw", "layout=channels-last"), margin=0.02, **known)


def test_b_is_slower() -> None:
    row = shifted(0.05)
    assert short_title([row]) == "B is slower than A"
    (sentence,) = answer([row], tried()).headlines
    assert sentence.startswith(
        "B (layout=channels-last) is slower than A (layout=nchw): LeNet-5 inference, batch 1 takes 5.1"
    )
    assert sentence.endswith("more time.")
    assert answer([row], tried()).about == "A layout=nchw · B layout=channels-last · 8 pairs"


def test_b_is_faster() -> None:
    (sentence,) = answer([shifted(-0.05)], tried()).headlines
    assert "is faster than A" in sentence
    assert sentence.endswith("less time.")


def test_equivalent_is_said_with_the_margin_and_the_interval() -> None:
    (sentence,) = answer([shifted(0.0)], tried()).headlines
    assert "B (layout=channels-last) is equivalent to A (layout=nchw) within 2%" in sentence
    assert "(-0.2" in sentence


def test_noise_is_not_called_a_change() -> None:
    row = shifted(0.01, NOISE)
    assert short_title([row]) == "B is not distinguishable from A"
    (sentence,) = answer([row], tried()).headlines
    assert "is not distinguishable from A" in sentence
    assert "at best guess; changes below " in sentence
    for word in ("slower", "faster", "equivalent"):
        assert word not in sentence


def test_two_pairs_that_say_nothing_have_no_figure() -> None:
    row = pairs([0.0, 3.4])
    (sentence,) = answer([row], tried()).headlines
    assert sentence.endswith("(LeNet-5 inference, batch 1): even a tenfold change may have gone unseen.")
    table = answer([row], tried()).table
    assert table is not None
    assert rows_of(table)[0]["change"] == "not resolved"


def test_one_pair_has_no_figure_in_the_headline() -> None:
    (sentence,) = answer([pairs([0.5])], tried()).headlines
    assert sentence.endswith(
        "(LeNet-5 inference, batch 1): one process on a side does not show how processes differ."
    )


def test_several_cases_are_counted() -> None:
    found = answer([pairs([0.05 + log for log in WOBBLE], batch=8), shifted(0.0)], tried())
    first, second = found.headlines
    assert first.startswith("1 of 2 times changed: LeNet-5 inference, batch 8 is 5.1")
    assert second == "1 is equivalent within 2%."


def test_the_next_command_measures_more_pairs_in_a_new_folder() -> None:
    step = answer([pairs([0.03, -0.01] * 4)], tried(again=COMMAND, out="runs/layout")).next_step
    assert step is not None
    words = shlex.split(step.command)
    assert words[:6] == ["convbench", *COMMAND]
    assert words[words.index("--out") + 1] == "runs/layout-longer"
    assert int(words[words.index("--budget") + 1]) == step.seconds


def test_a_decided_trial_asks_for_no_more_pairs() -> None:
    assert answer([shifted(0.05)], tried(again=COMMAND, out="runs/layout")).next_step is None


def test_what_64_pairs_cannot_decide_is_for_the_doctor() -> None:
    step = answer([shifted(0.01, [3 * log for log in NOISE] * 8)], tried(again=COMMAND, out="x")).next_step
    assert step is not None
    assert step.command == "convbench doctor"


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"failed": 1}, "1 case failed on a side."),
        ({"unseen": 2}, "The budget ended before 2 cases had a pair."),
        ({"gate": "Gate --fail-on slower: PASS."}, "Gate --fail-on slower: PASS."),
    ],
)
def test_how_it_ended_is_on_the_first_screen(known: dict[str, Any], words: str) -> None:
    assert answer([shifted(0.05)], tried(**known)).headlines[-1] == words


def test_no_pair_claims_nothing() -> None:
    assert short_title([]) == "No pair was measured"
    assert answer([], tried()).headlines == ("No case was measured on both sides: nothing was compared.",)


def test_the_first_screen_fits() -> None:
    shown = formats.render("terminal", document([shifted(0.05)], tried()))
    assert len(shown.splitlines()) <= 24
    assert max(map(len, shown.splitlines())) <= 100
