"""A pass beside the timing that ends its process, in a real child: the time stays, and what is missing has a
reason, in the record and in every report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from bench.forkserver.client import Server
from bench.forkserver.outcome import Outcome
from bench.host import environment
from bench.runner.attempt import attempt
from bench.runner.kept_record import completed
from bench.runner.run_folder import log_of
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import Kept, decode_kept, encode
from bench.schema.record import Record, find
from bench.store import Store
from bench.studies.max_batch.batch_search import MEMORY_ONLY
from reports import formats
from reports.pages import run_report
from tests.planted import planted_records

FAST = MeasurementProtocol(
    warmup_steps=2,
    warmup_seconds=0.001,
    warmup_limit_seconds=0.05,
    min_samples=6,
    max_samples=6,
    sampling_seconds=0.05,
    energy_seconds=0,
    time_limit_seconds=60.0,
)
NETS = """
import os, signal, sys, time
import torch
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

class Net(nn.Module):
    def __init__(self, end, copied):
        super().__init__()
        self.fc, self.end, self.copied = nn.Linear(64, 3), end, copied
    def forward(self, x):
        if not self.copied and _get_current_dispatch_mode() is not None:
            self.end()
        return self.fc(x.flatten(1))
    def __deepcopy__(self, memo):
        if self.copied:
            self.end()
        return super().__deepcopy__(memo) if hasattr(super(), "__deepcopy__") else Net(self.end, self.copied)

def fails(): raise ValueError("no copy of this one")
def leaves(): os._exit(3)
def falls(): os.kill(os.getpid(), signal.SIGSEGV)
def hangs(): time.sleep(600)
def runs_out(): raise MemoryError("no room")

def raising(): return Net(fails, True)
def leaving(): return Net(leaves, True)
def falling(): return Net(falls, True)
def falling_in_the_ledger(): return Net(falls, False)
def hanging(): return Net(hangs, True)
def without_room(): return Net(runs_out, True)
"""
HANGS_FOR = 6.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(preload=("timed",)) as running:
        yield running


def ended(factory: str, folder: Path, server: Server, protocol: MeasurementProtocol = FAST) -> Record:
    path = folder / "nets.py"
    path.write_text(NETS)
    case = Case(model=f"{path}:{factory}", batch=2, image=8, channels=1, classes=3, threads=1)
    return attempt(case, protocol, environment.describe(), folder, server)


def has(record: Record, metric: str) -> bool:
    return any(measurement.metric == metric for measurement in record.measurements)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factory", "how"),
    [
        ("leaving", "exited with code 3"),
        ("falling", "killed by SIGSEGV (during: FLOPs)"),
        ("hanging", f"timed out after {HANGS_FOR:g} s (during: FLOPs)"),
    ],
)
def test_however_a_count_ends_its_time_is_kept(
    factory: str, how: str, tmp_path: Path, server: Server
) -> None:
    limit = structs.replace(FAST, time_limit_seconds=HANGS_FOR) if factory == "hanging" else FAST
    record = ended(factory, tmp_path, server, limit)
    assert (record.status, record.reason) == ("ok", None)
    timed = find(record.measurements, "forward", "wall_time")
    assert timed is not None
    assert len(timed.samples) == 6
    assert has(record, "parameters")
    assert has(record, "peak_resident")
    for metric in ("flops", "bytes_moved"):
        assert not has(record, metric)
        assert how in record.absent[metric]
    (warning,) = [each for each in record.warnings if each.label == "incomplete"]
    assert warning.detail.startswith(f"FLOPs: {how}")
    assert record.seconds is not None
    assert log_of(record.case, tmp_path).exists()


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["raising", "without_room"])
def test_what_cannot_be_copied_is_counted_itself(factory: str, tmp_path: Path, server: Server) -> None:
    record = ended(factory, tmp_path, server)
    assert (record.status, record.warnings) == ("ok", [])
    flops, moved = (find(record.measurements, "forward", metric) for metric in ("flops", "bytes_moved"))
    assert flops is not None
    assert flops.samples == [2 * 2 * 64 * 3]
    assert moved is not None
    # Images, weights and biases are read, and three numbers an image written.
    assert moved.samples == [4 * (2 * 64 + 64 * 3 + 3 + 2 * 3)]


@pytest.mark.slow
def test_what_comes_after_the_pass_that_ended_the_process_says_so(tmp_path: Path, server: Server) -> None:
    record = ended("falling_in_the_ledger", tmp_path, server)
    assert record.status == "ok"
    assert record.absent["ledger_peak"].startswith("the pass that asks for it ended the process (ledger)")
    for metric in ("parameters", "flops", "bytes_moved"):
        assert record.absent[metric].startswith("an earlier pass ended the process (ledger): killed by")
    assert [w.detail for w in record.warnings if w.label == "incomplete"] == [
        "ledger: killed by SIGSEGV (during: ledger)"
    ]


@pytest.mark.slow
def test_every_report_shows_what_is_missing_and_why_but_csv_which_has_figures_only(
    tmp_path: Path, server: Server
) -> None:
    run = tmp_path / "run"
    with Store.create(run) as store:
        store.append(ended("falling", tmp_path, server))
    document = structs.replace(run_report.build([run]), whole=True)
    assert "flops" not in formats.render("csv", document)
    for name in set(formats.for_any()) - {"csv"}:
        shown = " ".join(formats.render(name, document).replace("\\", "").split())
        assert "killed by SIGSEGV" in shown, name
        assert "flops" in shown, name
    rows = msgspec.json.decode(formats.render("json", document))["rows"]
    (flops,) = [row for row in rows if row["metric"] == "flops"]
    assert flops["median"] is None
    assert "killed by SIGSEGV" in flops["reason"]


@pytest.mark.slow
def test_a_case_that_asks_for_memory_alone_is_kept_from_then_on(tmp_path: Path, server: Server) -> None:
    record = ended("falling", tmp_path, server, structs.replace(MEMORY_ONLY, time_limit_seconds=60.0))
    assert record.status == "ok"
    assert has(record, "peak_resident")
    assert "killed by SIGSEGV" in record.absent["flops"]


def test_a_kept_record_goes_over_the_wire_with_its_passes_in_order() -> None:
    kept = Kept(
        record=planted_records.record(Case(model="lenet5")),
        to_come={"ledger": ("ledger_peak",), "FLOPs": ("flops",)},
    )
    assert decode_kept(encode(kept)) == kept
    assert list(decode_kept(encode(kept)).to_come) == ["ledger", "FLOPs"]


def test_what_is_known_already_keeps_its_own_reason() -> None:
    record = structs.replace(planted_records.record(Case(model="lenet5")), absent={"energy": "no RAPL here"})
    kept = Kept(record=record, to_come={"energy": ("energy",)})
    found = completed(kept, Outcome(kind="oom", reason="killed by the kernel", seconds=1.0))
    assert found.absent == {"energy": "no RAPL here"}
    assert found.warnings[-1] == CaseWarning("incomplete", "energy: killed by the kernel")
    done = completed(Kept(record=record, to_come={}), Outcome(kind="crashed", reason="killed", seconds=1.0))
    assert done.warnings[-1].detail == "the end of the case: killed"
    assert (found.facts, done.facts) == (False, True)
