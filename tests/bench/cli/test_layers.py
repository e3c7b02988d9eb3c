"""convbench layers as a user meets it: run, report, trace, and one sentence for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench import devices, engines
from bench.schema.case import Case
from bench.schema.record import Record
from bench.store import RECORDS
from models import catalogue
from models.arch import layer_names
from tests.planted.commands import ROOT, Command, is_one_sentence

TINY = ("lenet5", "--device", "cpu", "--batch", "2", "--threads", "1", "--no-ceilings")
LAYERS = layer_names(catalogue.MODELS["lenet5"])


def layers(*arguments: str) -> str:
    """The command in a process of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "layers", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def record_in(folder: Path) -> Record:
    line, *others = (folder / RECORDS).read_bytes().splitlines()
    assert not others
    record = msgspec.json.decode(line, type=Record)
    assert record.status == "ok", record.reason
    assert not [each for each in record.warnings if each.label == "incomplete"]
    return record


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training step of LeNet-5 by layers, with a trace."""
    folder = tmp_path_factory.mktemp("layers")
    layers(*TINY, "--out", str(folder / "run"), "--trace", str(folder / "trace.json"))
    return folder


@pytest.mark.slow
def test_every_layer_of_the_network_is_in_the_record(run: Path) -> None:
    record = record_in(run / "run")
    timed = [m for m in record.measurements if m.metric == "layer_time" and m.phase == "forward"]
    forward = [m.layer.name for m in timed if m.layer and m.layer.kind]
    assert forward == list(LAYERS)


@pytest.mark.slow
def test_the_layers_costs_add_up_to_the_networks(run: Path) -> None:
    found: dict[str, float] = {}
    for measurement in record_in(run / "run").measurements:
        if measurement.metric == "flops":
            name = f"layers {measurement.phase}" if measurement.layer else measurement.phase
            found[name] = found.get(name, 0.0) + measurement.samples[0]
    assert found["layers forward"] == found["forward"] > 0
    assert found["layers backward"] == found["backward"] > 0


@pytest.mark.slow
def test_the_report_has_the_tables_and_the_pictures(run: Path) -> None:
    report = (run / "run" / "report.md").read_text()
    for title in ("## Sum of the layers and the whole step", "forward", "backward"):
        assert title in report
    assert "(plots/layers-lenet5-training" in report
    assert "| sum " in report


@pytest.mark.slow
def test_the_trace_is_one_of_chrome(run: Path) -> None:
    events = json.loads((run / "trace.json").read_text())["traceEvents"]
    assert any("convolution" in event.get("name", "") for event in events)


COMPILER = engines.get("compile").why_unusable(Case(model="lenet5"), devices.traits("cpu"))


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is not None, reason=str(COMPILER))
def test_compiled_layers_are_found_among_the_kernels(tmp_path: Path) -> None:
    layers(*TINY, "--workload", "inference", "--engine", "compile", "--out", str(tmp_path / "run"))
    record = record_in(tmp_path / "run")
    timed = [m.layer for m in record.measurements if m.metric == "layer_time"]
    names = [layer.name for layer in timed if layer and layer.kind and layer.kind != "kernel"]
    assert names == [name for name in LAYERS if name.startswith(("conv", "linear"))]
    assert any(layer and layer.kind == "kernel" and "fused" in layer.name for layer in timed)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("lenet6",), "lenet5"),
        (("lenet5", "--resume"), "--out"),
        (("lenet5", "alexnet", "--trace", "trace.json"), "single case"),
        (("lenet5", "--trace", "."), "folder"),
        (("lenet5", "--trace", "nowhere/trace.json"), "nowhere"),
        (("lenet5", "--workload", "accuracy"), "accuracy"),
        (("lenet5", "--format", "pdf"), "pdf"),
    ],
)
def test_mistakes_are_one_sentence(command_line: Command, arguments: tuple[str, ...], word: str) -> None:
    answer = command_line("layers", *arguments)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert word in answer.err
