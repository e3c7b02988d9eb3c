"""Bit for bit in a report of several machines: who computes other bits stands in its first lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Environment
from bench.schema.step_digest import StepDigest
from reports import formats
from reports.document import Document, Table
from reports.pages import run_report
from tests.planted.planted_records import GPU, MACHINE, record, time, write

RIGHT = StepDigest(loss="a", gradients="b", weights="c")
WRONG = StepDigest(loss="a", gradients="x", weights="y")
LENET = Case(model="lenet5", image=28, channels=1, classes=10, threads=2)


def node(name: str) -> Environment:
    return structs.replace(MACHINE, host=name, node=name, machine_id=name)


def report(tmp_path: Path, digests: Mapping[str, StepDigest | None], case: Case = LENET) -> Document:
    """Of a run on each node, two processes of a case each, of which the first made the step."""
    folders = []
    for name, digest in digests.items():
        machine = node(name)
        if case.device == "cuda":
            machine = structs.replace(machine, gpu=structs.replace(GPU, uuid=f"GPU-{name}-1234-5678"))
        first = structs.replace(record(case, time("forward", 0.001), environment=machine), step_digest=digest)
        second = record(structs.replace(case, replicate=2), time("forward", 0.001), environment=machine)
        folders.append(write(tmp_path / name, [first, second]))
    return run_report.build(folders)


def table(document: Document) -> Table:
    (found,) = (each for each in document.tables if each.title == "Bit for bit")
    return found


def alarms(document: Document) -> tuple[str, ...]:
    assert document.answer is not None
    return document.answer.alarms


def test_a_node_with_other_bits_is_named_in_the_first_lines(tmp_path: Path) -> None:
    found = report(tmp_path, {"n1": RIGHT, "n2": WRONG, "n3": RIGHT})
    assert alarms(found)[0] == (
        "n2 computes another gradient than 2 others of its kind in LeNet-5 training, batch 1 (fp32). "
        "Likely silent data corruption: take it out of service and test it."
    )
    assert table(found).rows == (("LeNet-5 training, batch 1", "fp32", 3, 2, "other bits on n2"),)
    assert "n2 computes another gradient" in formats.render("terminal", found)


def test_a_gpu_is_named_by_its_uuid_and_its_node(tmp_path: Path) -> None:
    digests = {"3f0c12ab": WRONG, "4f0c12ab": RIGHT, "5f0c12ab": RIGHT}
    found = report(tmp_path, digests, structs.replace(LENET, device="cuda"))
    assert alarms(found)[0].startswith("GPU-3f0c12ab on 3f0c12ab computes another gradient than 2 others")


def test_machines_that_agree_raise_no_alarm(tmp_path: Path) -> None:
    found = report(tmp_path, {"n1": RIGHT, "n2": RIGHT, "n3": None})
    assert alarms(found) == ()
    assert table(found).rows[0][2:] == (2, 2, "the same bits on all")


def test_two_that_differ_are_both_named_and_neither_is_blamed(tmp_path: Path) -> None:
    found = report(tmp_path, {"n1": RIGHT, "n2": WRONG})
    assert alarms(found)[0] == (
        "n1 and n2 give different bits in LeNet-5 training, batch 1, and no majority says whose are right: "
        "measure more machines of this kind."
    )


def test_a_step_that_is_not_deterministic_blames_nobody(tmp_path: Path) -> None:
    noisy = structs.replace(RIGHT, repeats=False)
    found = report(tmp_path, {"n1": noisy, "n2": structs.replace(WRONG, repeats=False)})
    assert alarms(found) == ()
    assert table(found).rows[0][-1] == "not deterministic: other bits when repeated"


def test_a_network_without_a_digest_says_why(tmp_path: Path) -> None:
    none = StepDigest(why_none="max_unpooling2d_forward_out has no deterministic implementation")
    found = report(tmp_path, {"n1": none, "n2": none})
    assert alarms(found) == ()
    assert table(found).rows[0][-1] == (
        "no digest: max_unpooling2d_forward_out has no deterministic implementation"
    )


def test_a_run_that_made_no_step_has_no_table(tmp_path: Path) -> None:
    found = report(tmp_path, {"n1": None, "n2": None})
    assert not any(each.title == "Bit for bit" for each in found.tables)
