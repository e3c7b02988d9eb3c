"""An upgrade that is under way: the machines that changed are compared, the others are the control."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import structs

from bench.fleet import merging
from bench.schema.case import Case
from reports.compare.compare_report import RunComparison, build
from tests.planted import planted_records

CASE = Case(model="vgg11", batch=8, device="cuda")
OLD, NEWER, NEWEST = "550.1", "580.1", "590.1"
WOBBLE = (0.999, 1.0, 1.001)
NODES = ("n1", "n2", "n3", "n4", "n5", "n6")
UPGRADED = NODES[:3]


def side(folder: Path, drivers: Mapping[str, str], times: Mapping[str, float]) -> Path:
    """A run folder for each of two GPUs of each node; nodes differ by 2%."""
    for at, (node, driver) in enumerate(drivers.items()):
        for gpu in (0, 1):
            uuid = f"GPU-{node}-{gpu}-0000"
            made = structs.replace(planted_records.GPU, uuid=uuid, driver=driver)
            machine = structs.replace(planted_records.GPU_MACHINE, node=node, gpu=made)
            seconds = [0.1 * (1 + 0.02 * at) * times.get(node, 1.0) * each for each in WOBBLE]
            records = planted_records.replicates(CASE, seconds)
            planted_records.write(
                folder / node / uuid, [structs.replace(each, environment=machine) for each in records]
            )
    return folder


FASTER = {"n1": 0.949, "n2": 0.951, "n3": 0.950}
HALF = {node: NEWER if node in UPGRADED else OLD for node in NODES}


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return side(tmp_path / "before", dict.fromkeys(NODES, OLD), {})


def headlines(found: RunComparison) -> tuple[str, ...]:
    assert found.document.answer is not None
    return found.document.answer.headlines


def test_the_verdict_is_that_on_the_machines_that_changed(tmp_path: Path, before: Path) -> None:
    half = side(tmp_path / "half", HALF, FASTER)
    found = build([before], [half])
    upgraded = shutil.copytree(half, tmp_path / "upgraded", ignore=lambda *_: ["n4", "n5", "n6"])
    (row,), (alone,) = found.rows, build([before], [upgraded]).rows
    for name in ("verdict", "ratio", "low", "high", "base", "new", "changes", "n_base", "n_new", "p"):
        assert getattr(row, name) == pytest.approx(getattr(alone, name)), name
    assert row.ratio == pytest.approx(0.95, rel=1e-4)
    assert (row.verdict, row.n_new) == ("faster", 3)
    assert headlines(found)[:2] == (
        "3 machines of NEW did not change from BASE: the control. Verdicts are on the others.",
        "Times of the control: 1 equivalent.",
    )
    assert found.document.answer is not None
    assert f"driver {OLD} → {NEWER}" in found.document.answer.about
    assert found.document.answer.alarms == ()


def test_a_half_changed_base_is_compared_by_the_machines_that_changed_since(tmp_path: Path) -> None:
    half = side(tmp_path / "half", HALF, FASTER)
    late = dict.fromkeys(NODES[3:], 0.93)
    after = side(tmp_path / "after", dict.fromkeys(NODES, NEWER), {**FASTER, **late})
    found = build([half], [after])
    (row,) = found.rows
    assert row.ratio == pytest.approx(0.93)
    assert (row.verdict, row.n_base) == ("faster", 3)
    assert headlines(found)[0].startswith("3 machines of BASE did not change from NEW: the control.")


def test_a_control_that_changed_too_is_named(tmp_path: Path, before: Path) -> None:
    """All became slower, the upgraded ones as well: it was not the driver."""
    found = build([before], [side(tmp_path / "half", HALF, dict.fromkeys(NODES, 1.04))])
    assert headlines(found)[1].startswith("The control changed too, in 1 of 1 time: VGG-11 inference")
    assert "takes 4.00% (" in headlines(found)[1]


def test_gates_judge_the_machines_that_changed(tmp_path: Path, before: Path) -> None:
    slower_control = side(tmp_path / "half", HALF, dict.fromkeys(NODES[3:], 1.2))
    assert not build([before], [slower_control], fail_on="slower").gate.reasons  # type: ignore[union-attr]
    slower = side(tmp_path / "slower", HALF, dict.fromkeys(UPGRADED, 1.2))
    assert build([before], [slower], fail_on="slower").gate.reasons  # type: ignore[union-attr]


def test_two_new_drivers_are_refused_with_what_works(tmp_path: Path, before: Path) -> None:
    mixed = side(tmp_path / "mixed", {**HALF, "n1": NEWEST, "n2": NEWEST}, FASTER)
    found = build([before], [mixed])
    assert found.is_empty
    assert "`convbench merge RUN... --out FOLDER` unites the runs of one condition" in headlines(found)[0]
    merging.merge([mixed / "n1", mixed / "n2"], tmp_path / "newest", resume=False)
    (row,) = build([before], [tmp_path / "newest"]).rows
    assert row.ratio == pytest.approx(0.95, rel=1e-4)
    assert row.n_new == 2


def test_machines_that_the_other_side_does_not_have_are_no_upgrade(tmp_path: Path, before: Path) -> None:
    """Other machines, of which some happen to have the driver of BASE."""
    others = side(tmp_path / "others", {"m1": NEWER, "m2": NEWER, "m3": OLD, "m4": OLD}, {})
    assert build([before], [others]).is_empty


def test_a_machine_with_both_drivers_is_no_upgrade(tmp_path: Path, before: Path) -> None:
    half = side(tmp_path / "half", HALF, FASTER)
    side(half / "again", {"n1": OLD}, {})
    assert build([before], [half]).is_empty
