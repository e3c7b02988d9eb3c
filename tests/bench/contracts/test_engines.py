"""What every engine must keep, whatever the package lists."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
import sysconfig
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from bench import devices, engines
from bench.contracts.engine import Engine
from bench.schema.case import PRECISIONS, TIMED, Case
from bench.schema.case_warnings import CaseWarning
from bench.workloads import workloads
from models.errors import UserError
from models.load import load
from models.network import Network

CASE = Case(model="lenet5", batch=2, image=28, channels=1, classes=10)


RUN = [
    pytest.param(name, marks=[pytest.mark.slow] if name == "compile-max-autotune" else [])
    for name in engines.engines()
]
"""For tests that compile: max-autotune tries many kernels."""


@pytest.fixture(params=[pytest.param(engine, id=name) for name, engine in engines.engines().items()])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


def test_engines_are_known_by_their_names_eager_first() -> None:
    names = list(engines.engines())
    assert names[0] == "eager"
    wanted = {"eager", "compile", "compile-reduce-overhead", "compile-max-autotune", "cudagraph"}
    assert wanted <= set(names)
    assert all(engine.name == name for name, engine in engines.engines().items())
    with pytest.raises(UserError, match="Did you mean 'cudagraph'"):
        engines.get("cudagraphs")


def test_listing_engines_needs_no_torch() -> None:
    code = (
        "import sys; from bench import devices, engines; from bench.schema.case import Case\n"
        "case, traits = Case(model='lenet5'), devices.traits('cpu')\n"
        "for e in engines.engines().values(): e.why_unsupported(case, traits)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("device", "workload", "precision"), list(itertools.product(("cpu", "cuda"), TIMED, PRECISIONS))
)
def test_every_combination_has_an_answer(engine: Engine, device: str, workload: str, precision: str) -> None:
    case = msgspec.convert(
        {"model": "lenet5", "device": device, "workload": workload, "precision": precision}, Case
    )
    reason = engine.why_unsupported(case, devices.traits(device))
    assert reason is None or (len(reason) > 10 and "\n" not in reason)


def test_fp32_inference_on_cuda_is_possible_with_every_engine(engine: Engine) -> None:
    assert (
        engine.why_unsupported(msgspec.structs.replace(CASE, device="cuda"), devices.traits("cuda")) is None
    )


def test_counters_are_whole_numbers_and_a_compiling_engine_counts_graphs(engine: Engine) -> None:
    counters = engine.observe()
    assert all(isinstance(value, int) for value in counters.values())
    if engine.compiles:
        assert {"compiled_graphs", "graph_breaks", "cache_hits"} <= set(counters)


def test_remarks_have_a_label_and_a_sentence(engine: Engine) -> None:
    assert all(
        isinstance(remark, CaseWarning) and remark.detail
        for remark in engine.warnings(CASE, devices.traits(CASE.device))
    )


@pytest.mark.parametrize(
    ("name", "device", "precision", "label"),
    [
        ("compile", "cpu", "fp32", "peak-holds-compiler"),
        ("compile", "cuda", "tf32", None),
        ("compile-max-autotune", "cuda", "tf32", "ieee-candidates"),
        ("compile-max-autotune", "cuda", "fp32", None),
        ("compile-reduce-overhead", "cuda", "tf32", None),
        ("eager", "cpu", "fp32", None),
    ],
)
def test_what_a_reader_must_know(name: str, device: str, precision: str, label: str | None) -> None:
    case = msgspec.convert({"model": "lenet5", "device": device, "precision": precision}, Case)
    found = [remark.label for remark in engines.get(name).warnings(case, devices.traits(device))]
    assert found == ([] if label is None else [label])


def test_engines_that_replay_graphs() -> None:
    replaying = {name for name, engine in engines.engines().items() if engine.replays_graphs}
    assert replaying == {"compile-reduce-overhead", "compile-max-autotune", "cudagraph"}


def test_eager_is_the_module_itself() -> None:
    module = nn.Linear(2, 2)
    assert engines.get("eager").wrap(module) is module


@pytest.mark.slow
def test_a_compiled_module_computes_the_same_and_its_graphs_are_counted() -> None:
    """Without a convolution, so that nothing has to be compiled by a C++ compiler."""
    engine = engines.get("compile")
    module = nn.Linear(4, 3)
    compiled = engine.wrap(module)
    before = engine.observe()
    x = torch.randn(2, 4)
    assert torch.equal(compiled(x), module(x))
    once = engine.observe()
    assert once["compiled_graphs"] - before["compiled_graphs"] == 1
    assert once["graph_breaks"] == before["graph_breaks"]
    compiled(x)
    assert engine.observe()["compiled_graphs"] == once["compiled_graphs"]
    compiled(torch.randn(2, 4, dtype=torch.float32).requires_grad_())
    assert engine.observe()["compiled_graphs"] > once["compiled_graphs"], "a recompile must be counted"


@pytest.mark.cuda
@pytest.mark.parametrize("workload", TIMED)
@pytest.mark.parametrize("name", RUN)
def test_one_step_does_the_same_on_cuda_with_every_engine(name: str, workload: str) -> None:
    """The weights after three steps, within the reordering of sums that a compiler may do."""
    case = msgspec.convert(
        {**msgspec.to_builtins(CASE), "device": "cuda", "workload": workload, "classes": 10}, Case
    )
    engine = engines.get(name)
    torch.manual_seed(0)
    module = load("lenet5", channels=1, image=28, classes=10, device="cuda").module
    other = copy.deepcopy(module)
    with torch.set_grad_enabled(workload == "training"):
        for each, way in ((module, engines.get("eager")), (other, engine)):
            torch.manual_seed(1)
            steps = workloads()[workload].prepare(Network(each), case, way, "cuda")
            for _ in range(3):
                steps.setup()
                steps.step()
            torch.cuda.synchronize()
    if engine.name == "cudagraph" and workload == "training":
        return  # its warm-up before the capture are steps too
    for a, b in zip(module.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("device", "variable", "words"),
    [("cpu", "CXX", "a C++ compiler"), ("cuda", "CC", "a C compiler")],
)
def test_compiling_needs_a_compiler_and_pythons_headers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str, variable: str, words: str
) -> None:
    """A CPU's kernels are C++; a GPU's are Triton's, whose launchers are C."""
    monkeypatch.setattr("torch.utils._triton.has_triton_package", lambda: True)
    case, traits = msgspec.structs.replace(CASE, device=device, engine="compile"), devices.traits(device)
    engine = engines.get("compile")
    assert engine.why_unusable(case, traits) is None
    with monkeypatch.context() as patched:
        patched.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
        assert "Python.h" in (engine.why_unusable(case, traits) or "")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(variable, raising=False)
    assert f"needs {words}" in (engine.why_unusable(case, traits) or "")
    monkeypatch.setenv(variable, "/opt/bin/compiler")
    assert engine.why_unusable(case, traits) is None


def test_compiling_for_a_gpu_needs_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.utils._triton.has_triton_package", lambda: False)
    engine, case = engines.get("compile"), msgspec.structs.replace(CASE, engine="compile")
    assert engine.why_unusable(case, devices.traits("cpu")) is None
    assert "needs Triton" in (engine.why_unusable(case, devices.traits("cuda")) or "")
