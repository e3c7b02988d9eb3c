"""Claims: every row of the file is judged, exact ones rightly, and what is missing is named."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from msgspec import structs

from models.errors import UserError
from reports import formats
from reports.claims import claims, find
from reports.claims.claim import Judgement, judged
from reports.claims.claims_report import answers, document
from reports.claims.evidence import Evidence, Setting, gather
from reports.claims.learning import DROPOUT
from reports.claims.sizes_and_shapes import QuotedFigure, verdict_of
from reports.claims.trained_pairs import cases_of
from tests.planted import planted_records
from tests.planted.commands import ROOT
from tests.planted.planted_claims import ON_CPU, ON_GPU, evidence, trained

NOTHING = gather(None, ON_CPU)
VERDICTS = {"true", "false", "depends", "undecided", "not tested", "cited"}


def judgement_of(name: str, known: Evidence = NOTHING) -> Judgement:
    return judged(claims()[name], known)


def rows_of_the_file() -> list[dict[str, str]]:
    file = ROOT / "reports" / "claims" / "claims.csv"
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def test_every_row_of_the_file_has_a_claim_that_is_judged() -> None:
    rows = rows_of_the_file()
    assert len(rows) == 24
    assert list(claims()) == [row["id"] for row in rows]
    for claim in claims().values():
        judgement = judged(claim, NOTHING)
        assert judgement.verdict in VERDICTS
        assert judgement.reason.endswith(".")
        assert claim.said.source


@pytest.mark.parametrize("setting", [ON_CPU, ON_GPU])
def test_only_measured_and_trained_claims_need_cases(setting: Setting) -> None:
    for claim in claims().values():
        needs = claim.needs(setting)
        kind = claim.said.kind
        if kind in ("exact", "published") or claim.said.id == "one-weird-trick":  # judged by runs of scale
            assert not needs
        elif kind == "trained":
            assert all(case.task for case in needs)
            assert {case.replicate for case in needs} == {1, 2, 3}
        else:
            assert all(case.task is None for case in needs)
            assert bool(needs) != (claim.said.id == "gpu-speedup" and setting == ON_CPU)


@pytest.mark.parametrize(
    ("name", "figure", "words"),
    [
        ("params-alexnet", 60_965_224, ("2,334,080", "58,631,144", "61,100,840", "46,764,746")),
        ("params-vgg", 138_357_544, ("132,863,336", "133,047,848", "143,667,240", "184,512")),
        ("shapes-alexnet", 6400, ("54x54x96", "5x5x256", "9,216")),
        ("shapes-vgg", 102_764_544, ("25,088", "112, 56, 28, 14, 7")),
        ("factorise-5x5", 18 / 25, ("18/25", "5x5", "9/16")),
        ("factorise-7x7", 27 / 49, ("27/49", "7x7", "9/20")),
    ],
)
def test_exact_claims_are_true_and_show_exact_figures(
    name: str, figure: float, words: tuple[str, ...]
) -> None:
    judgement = judgement_of(name)
    assert judgement.verdict == "true"
    assert judgement.figure == pytest.approx(figure)
    assert judgement.low is None
    assert all(word in judgement.reason for word in words)


def test_a_figure_that_was_cut_and_not_rounded_is_named() -> None:
    assert "60,965,224 (said: 60,900,000)" in judgement_of("params-alexnet").reason
    assert "said:" not in judgement_of("params-vgg").reason


@pytest.mark.parametrize(
    ("exact", "about", "holds"),
    [
        (60.949, False, True),
        (60.951, False, False),
        (60.851, False, True),
        (60.849, False, False),
        (60.951, True, True),
        (63.94, True, True),
        (63.95, True, False),
        (57.85, True, False),
    ],
)
def test_a_printed_figure_holds_if_it_is_rounded_rightly_or_about_right(
    exact: float, about: bool, holds: bool
) -> None:
    assert QuotedFigure("parameters", 60.9, exact, 0.1, about).holds is holds


def test_several_figures_hold_together() -> None:
    right, wrong = QuotedFigure("a", 4, 4.2, 1), QuotedFigure("b", 4, 4.6, 1)
    assert verdict_of([right, right]) == "true"
    assert verdict_of([right, wrong]) == "depends"
    assert verdict_of([wrong]) == "false"


def test_what_only_others_measured_is_shown_with_its_source() -> None:
    alexnet = judgement_of("top5-alexnet")
    assert (alexnet.verdict, alexnet.figure) == ("cited", 15.3)
    assert "ILSVRC-2012 entry" in alexnet.reason
    vgg = judgement_of("top5-vgg")
    assert (vgg.verdict, vgg.figure) == ("cited", 7.3)
    assert "9.6% (torchvision weights metadata)" in vgg.reason


def test_what_is_missing_is_named_with_the_command_that_runs_it(tmp_path: Path) -> None:
    without, _ = cases_of(DROPOUT, ON_CPU)
    judgement = judgement_of("dropout", evidence(tmp_path, trained(without, (0.9, 0.9))))
    assert judgement.verdict == "not tested"
    assert "Not measured: 1 of 2 cases" in judgement.reason
    assert "convbench claims dropout --run --out DIR" in judgement.reason


def test_what_failed_is_named_with_its_reason(tmp_path: Path) -> None:
    without, with_ = cases_of(DROPOUT, ON_CPU)
    killed = planted_records.record(with_, status="oom", reason="no memory left")
    known = evidence(tmp_path, [*trained(without, (0.9, 0.9)), killed])
    judgement = judgement_of("dropout", known)
    assert judgement.verdict == "not tested"
    assert "oom (no memory left)" in judgement.reason


def test_evidence_counts_processes_and_not_the_threads_they_had(tmp_path: Path) -> None:
    without, with_ = cases_of(DROPOUT, ON_CPU)
    crashed = structs.replace(with_, replicate=1)
    lost = structs.replace(with_, replicate=2)
    records = [
        *trained(structs.replace(without, threads=7), (0.9, 0.9)),
        planted_records.record(crashed, status="crashed", reason="killed by signal 11"),
        planted_records.record(lost, status="diverged", reason="the loss was not finite"),
    ]
    known = evidence(tmp_path, records)
    have = {case for case in claims()["dropout"].needs(ON_CPU) if known.has_process(case)}
    assert {(case.model, case.replicate) for case in have} == {
        (without.model, 1),
        (without.model, 2),
        (with_.model, 2),
    }


def test_both_sides_of_a_comparison_come_from_one_machine(tmp_path: Path) -> None:
    """Two threads have both sides, seven have one: it is the two that are compared."""
    without, with_ = cases_of(DROPOUT, ON_CPU)
    records = [
        *trained(structs.replace(without, threads=7), (0.5, 0.5)),
        *trained(without, (0.9, 0.91)),
        *trained(with_, (0.92, 0.93)),
    ]
    chosen = evidence(tmp_path, records).runs([without, with_])
    assert chosen[without].accuracies == {0: 0.9, 1: 0.91}
    assert chosen[with_].accuracies == {0: 0.92, 1: 0.93}


def test_claims_are_found_by_name_and_a_near_one_is_offered() -> None:
    assert [claim.said.id for claim in find(["vgg-cost", "params-vgg"])] == ["params-vgg", "vgg-cost"]
    assert len(find([])) == 24
    with pytest.raises(UserError, match="Did you mean 'dropout'"):
        find(["drop-out"])


def test_the_hand_out_has_a_line_and_a_paragraph_for_each_claim() -> None:
    found = answers(find([]), NOTHING)
    page = document(found, NOTHING, None)
    assert {row[0] for table in page.tables for row in table.rows} == set(claims())
    notes = " ".join(note for table in page.tables for note in table.notes)
    assert all(claim.said.said in notes for claim in claims().values())
    assert list(page.parts) == [table.part for table in page.tables]
    assert tuple(page.rows[0])[:8] == (
        "id",
        "verdict",
        "figure",
        "low",
        "high",
        "unit",
        "reason",
        "source",
    )
    for name in formats.for_any():
        assert "params-alexnet" in formats.render(name, structs.replace(page, whole=True))
