"""What a fork server has imported is what its children need, and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.entry import PRELOAD
from bench.runner.preload import preload
from bench.schema.case import Case
from tests.planted.commands import ROOT

_MEASURE = """
import importlib, sys
for module in {modules!r}:
    importlib.import_module(module)
before = set(sys.modules)

from bench.child import worker
from bench.host import environment
from bench.schema import job
from bench.schema.case import Case, MeasurementProtocol

case = Case(model="lenet5", channels=1, image=28, threads=1)
few = MeasurementProtocol(warmup_seconds=0, warmup_limit_seconds=0, max_samples=3, min_samples=3)
found = job.decode_result(worker.measure_case(job.encode(
    job.Job(case=case, protocol=few, environment=environment.describe(), facts=False)
)))
assert found.record.status == "ok", found.record.reason
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.slow
def test_a_child_that_is_asked_for_times_alone_imports_next_to_nothing() -> None:
    """torch's compiler and sympy take longer to import than a small network takes to be measured."""
    case = Case(model="lenet5", channels=1, image=28, threads=1)
    kinds = preload([case], facts=False)
    modules = [module for kind in kinds for module in PRELOAD[kind]]
    assert "torch._dynamo" not in modules
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(modules=modules)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    own = {
        name for name in done.stdout.split() if name.startswith(("bench.child", "bench.devices", "models"))
    }
    assert own == set()
    assert {name.partition(".")[0] for name in done.stdout.split()}.isdisjoint({"sympy", "scipy"})
    assert "torch._dynamo" not in done.stdout.split()


@pytest.mark.parametrize(
    "case",
    [
        Case(model="lenet5", workload="training"),
        Case(model="lenet5", engine="compile"),
        Case(model="torchvision:alexnet"),
        Case(model="mine.py:net"),
        Case(model="lenet5", precision="amp-bf16"),
    ],
)
def test_what_may_use_torchs_compiler_finds_it_imported(case: Case) -> None:
    assert "counted" in preload([case], facts=False)
    assert "counted" in preload([Case(model="lenet5")], facts=True)
    assert "counted" not in preload([Case(model="lenet5")], facts=False)
