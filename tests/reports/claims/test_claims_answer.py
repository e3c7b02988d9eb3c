"""The first screen of claims: counts, rows and the next command, from planted judgements."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from reports.claims import claims, find
from reports.claims.claim import ClaimWord, JudgedClaim, Judgement, Need, span
from reports.claims.claims_answer import answer, headline, next_step, shown
from reports.claims.claims_report import answers
from reports.claims.evidence import gather
from reports.sections.asked import Asked
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.planted_claims import ON_CPU, timed

NOTHING = gather(None, ON_CPU)


def found(name: str, verdict: ClaimWord, need: Need = "", words: str = "planted") -> JudgedClaim:
    return JudgedClaim(claims()[name], Judgement(verdict=verdict, need=need, found=words, reason="Planted."))


PLANTED = (
    found("params-vgg", "true"),
    found("vgg-cost", "true", words="10.8x per training step (8.5x to 13.9x)"),
    found("two-gpus", "false", words="a step peaks at 2.5 GiB (batch 128, fp32)"),
    found("relu-speed", "undecided", "more seeds", "tanh needs 0.31x to 1.4x the epochs"),
    found("dropout", "undecided", "more seeds"),
    found("gpu-speedup", "not tested", "a GPU"),
    found("augmentation", "not tested", "a run"),
    found("top5-vgg", "cited"),
)


def test_the_headline_counts_every_verdict_and_tells_undecided_from_not_tested() -> None:
    assert headline(PLANTED, NOTHING) == (
        "8 claims about AlexNet and VGG: 2 true (1 by arithmetic), 1 false, 2 undecided (3 seeds), "
        "1 needs a GPU, 1 not tested (augmentation), 1 cited only."
    )


def test_a_single_claim_is_its_own_headline() -> None:
    assert headline(PLANTED[2:3], NOTHING) == (
        "✗ “AlexNet had to be split over two 3 GB GPUs”: false, a step peaks at 2.5 GiB (batch 128, fp32)."
    )
    assert answer(PLANTED[2:3], NOTHING, None, Asked()).table is None


def test_rows_are_what_was_measured_and_what_may_surprise_comes_first() -> None:
    names = [each.claim.said.id for each in shown(PLANTED)]
    assert names == ["two-gpus", "vgg-cost", "relu-speed", "dropout", "gpu-speedup"]
    table = answer(PLANTED, NOTHING, None, Asked()).table
    assert table is not None
    assert table.rows[0][0] == "✗ false"
    assert table.rows[2][2] == "tanh needs 0.31x to 1.4x the epochs"


def test_an_undecided_figure_is_told_by_its_ends_alone() -> None:
    """A number would be taken for a result."""
    assert span(0.65, 0.31, 1.39, "x", known=False) == "0.31x to 1.4x"
    assert span(10.84, 8.47, 13.86, "x", known=True) == "11x (8x to 14x)"
    assert span(5.0, None, None, known=False).endswith("†")


def test_the_next_command_names_the_undecided_claims_and_what_was_asked(tmp_path: Path) -> None:
    asked = Asked(out=tmp_path / "claims", is_used=True, options=("--threads", "2"))
    step = next_step(PLANTED, NOTHING, None, asked)
    assert step is not None
    assert step.command == (
        "convbench claims relu-speed dropout --run --seeds 10 --threads 2 --resume "
        f"--out {tmp_path / 'claims'}"
    )


def test_without_measurements_the_next_command_measures() -> None:
    step = answer(answers(find([]), NOTHING), NOTHING, None, Asked()).next_step
    assert step is not None
    assert step.command == "convbench claims --run --out runs/claims"
    assert step.about == "measures what 11 claims need; --dry-run estimates the time"


def test_a_busy_machine_is_an_alarm_only_where_a_verdict_rests_on_measurements(tmp_path: Path) -> None:
    busy = [
        structs.replace(each, warnings=[CaseWarning("contended", "planted")])
        for each in timed(Case(model="vgg16", threads=2), 0.1)
    ]
    summary = summarise([planted_records.write(tmp_path, busy)])
    exact, measured = (PLANTED[0],), (PLANTED[0], PLANTED[1])
    assert answer(exact, NOTHING, summary, Asked()).alarms == ()
    (alarm,) = answer(measured, NOTHING, summary, Asked()).alarms
    assert alarm.startswith("This run shared the machine")


def test_more_seeds_are_at_least_twice_as_many() -> None:
    many = structs.replace(NOTHING, setting=structs.replace(ON_CPU, seeds=8))
    step = next_step(PLANTED, many, None, Asked())
    assert step is not None
    assert "--seeds 16" in step.command


def test_the_first_screen_fits_with_all_claims() -> None:
    told = answer(answers(find([]), NOTHING), NOTHING, None, Asked())
    assert told.table is not None
    assert 1 + 1 + len(told.headlines) * 2 + 4 + len(told.table.rows) + 2 <= 24


def test_claims_without_a_verdict_are_named() -> None:
    """A count alone does not say which to ask for."""
    (headline,) = answer(answers(find([]), NOTHING), NOTHING, None, Asked()).headlines
    open_ = [each for each in answers(find([]), NOTHING) if each.judgement.need == "a run"]
    named = ", ".join(each.claim.said.id for each in open_[:5])
    assert f"{len(open_)} not tested ({named} and {len(open_) - 5} more)" in headline
