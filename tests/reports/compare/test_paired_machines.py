"""Before and after on several machines: paired by unit, judged by node; what went against it is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from scipy import stats as oracle

from bench.schema.case import Case
from bench.schema.record import Record
from reports import formats
from reports.compare.compare_report import RunComparison, build
from reports.compare.comparison_rows import ComparisonRow
from reports.compare.unit_changes import ONE_MACHINE
from tests.planted import planted_records

CASE = Case(model="vgg11", batch=8, device="cuda")
Places = Mapping[tuple[str, int], Sequence[float]]
"""(node, GPU of it) -> a time of each process."""
WOBBLE = (0.999, 1.0, 1.001)


def side(folder: Path, places: Places, **settings: Any) -> Path:
    """A run folder for each GPU in one folder."""
    for (node, gpu), seconds in places.items():
        uuid = f"GPU-{node}-{gpu}-0000"
        made = structs.replace(planted_records.GPU, **({"uuid": uuid, "driver": "550.1"} | settings))
        machine = structs.replace(planted_records.GPU_MACHINE, node=node, gpu=made)
        records: list[Record] = [
            structs.replace(record, environment=machine)
            for record in planted_records.replicates(CASE, seconds)
        ]
        planted_records.write(folder / uuid, records)
    return folder


def fleet(
    shift: Mapping[str, float], *, of: float = 0.1, gpus: int = 2
) -> dict[tuple[str, int], list[float]]:
    """GPUs that differ by 2% from each other, in nodes each of which has its own factor."""
    return {
        (node, gpu): [of * factor * (1 + 0.02 * gpu) * each for each in WOBBLE]
        for node, factor in shift.items()
        for gpu in range(gpus)
    }


def compared(folder: Path, base: Places, new: Places) -> RunComparison:
    return build([side(folder / "base", base)], [side(folder / "new", new, driver="580.1")])


def only(comparison: RunComparison) -> ComparisonRow:
    (row,) = comparison.rows
    return row


BEFORE = dict.fromkeys(("n1", "n2", "n3", "n4"), 1.0)
AFTER = {"n1": 0.949, "n2": 0.951, "n3": 0.950, "n4": 0.950}


def test_the_verdict_is_from_the_nodes_mean_log_ratios(tmp_path: Path) -> None:
    row = only(compared(tmp_path, fleet(BEFORE), fleet(AFTER)))
    logs = np.log(list(AFTER.values()))
    low, high = np.exp(oracle.t.interval(0.99, 3, logs.mean(), oracle.sem(logs)))
    assert (row.low, row.ratio, row.high) == pytest.approx((low, np.exp(logs.mean()), high))
    assert (row.verdict, row.n_base, row.n_new, row.freedom) == ("faster", 4, 4, 3)
    assert (row.across, row.paired, len(row.changes), row.against) == ("across-machines", True, 8, ())


def test_gpus_of_unlike_speed_hide_nothing_where_they_are_paired(tmp_path: Path) -> None:
    """Nodes that differ by 20%, and a change of 5% on each."""
    unlike = {"n1": 1.0, "n2": 1.2, "n3": 0.9, "n4": 1.1}
    after = {node: factor * AFTER[node] for node, factor in unlike.items()}
    assert only(compared(tmp_path, fleet(unlike), fleet(after))).verdict == "faster"


def test_a_gpu_that_went_against_the_verdict_is_named(tmp_path: Path) -> None:
    after = fleet(AFTER)
    after["n2", 0] = [1.10 * each / AFTER["n2"] for each in after["n2", 0]]
    after = {
        place: [0.9 * each for each in seconds] if place[0] != "n2" else seconds
        for place, seconds in after.items()
    }
    found = compared(tmp_path, fleet(BEFORE), after)
    row = only(found)
    (contrary,) = row.against
    assert (contrary.unit.id, contrary.unit.node, contrary.verdict.verdict) == (
        "GPU-n2-0-0000",
        "n2",
        "slower",
    )
    assert contrary.ratio == pytest.approx(1.10)
    shown = formats.render("terminal", found.document)
    assert "1 GPU went against the verdict: GPU-n2-0-000 (n2) takes 10%" in shown
    assert row.as_row()["against"] == "GPU-n2-0-0000"


def test_the_first_lines_count_machines_and_not_processes(tmp_path: Path) -> None:
    found = compared(tmp_path, fleet(BEFORE), fleet(AFTER))
    assert found.document.answer is not None
    assert "4 machines, paired (8 GPUs)" in found.document.answer.about
    text = formats.render("md", found.document)
    assert "n is the number of machines" in text
    assert "The unit is the process" not in text
    assert "The unit is the run" not in text
    assert "GPU-n4-1-000" in text


def test_units_that_one_side_lacks_are_counted_and_left_out(tmp_path: Path) -> None:
    after = fleet(AFTER)
    del after["n4", 0], after["n4", 1]
    found = compared(tmp_path, fleet(BEFORE), after)
    row = only(found)
    assert (row.n_base, row.n_new, row.unpaired_units) == (3, 3, 2)
    assert found.document.answer is not None
    assert "3 machines, paired (6 GPUs) · 2 on one side only" in found.document.answer.about


def test_the_gpus_of_one_machine_are_pairs_of_that_machine_alone(tmp_path: Path) -> None:
    row = only(compared(tmp_path, fleet({"n1": 1.0}, gpus=4), fleet({"n1": 0.95}, gpus=4)))
    assert (row.across, row.n_base, row.verdict) == ("across-gpus", 4, "faster")


def test_machines_that_only_one_side_has_are_never_as_many_as_their_processes(tmp_path: Path) -> None:
    """Two machines against two others, 5% faster: three processes of each show nothing of other machines."""
    base, new = fleet({"n1": 1.0, "n2": 1.04}), fleet({"n3": 0.95, "n4": 0.99})
    row = only(compared(tmp_path, base, new))
    assert (row.paired, row.n_base, row.n_new, row.verdict) == (False, 2, 2, "inconclusive")
    logs = [np.log([1.0, 1.04]), np.log([0.95, 0.99])]
    found = oracle.ttest_ind(logs[1], logs[0], equal_var=False)
    assert row.p == pytest.approx(found.pvalue)


def test_one_machine_against_several_has_no_verdict(tmp_path: Path) -> None:
    row = only(compared(tmp_path, fleet(BEFORE), fleet({"n5": 0.8}, gpus=1)))
    assert (row.verdict, row.low, row.reason) == ("inconclusive", None, ONE_MACHINE)


def test_one_machine_against_another_is_compared_by_processes_as_before(tmp_path: Path) -> None:
    row = only(compared(tmp_path, fleet({"n1": 1.0}, gpus=1), fleet({"n2": 0.8}, gpus=1)))
    assert (row.across, row.n_base, row.verdict, row.method) == (None, 3, "faster", "moderated")
