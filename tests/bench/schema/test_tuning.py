"""The switches beside the axes: how they are written, what contradicts them, and what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench import engines
from bench.plan import axes, expand, feasibility, named_suites
from bench.schema import tuning
from bench.schema.case import Case, MeasurementProtocol, Precision
from bench.tensors import case_context
from bench.workloads import workloads
from models.errors import UserError
from models.load import load
from tests.planted.commands import Command, is_one_sentence

CASE = Case(model="lenet5", batch=2, image=28, channels=1, classes=10)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("none", ""),
        ("freezing", "freezing"),
        ("fused-optimizer+cudnn-heuristics", "cudnn-heuristics+fused-optimizer"),
        ("freezing+freezing", "freezing"),
    ],
)
def test_names_are_read_in_any_order_and_kept_sorted(text: str, read: str) -> None:
    assert axes.read("tuning", [text]) == (read,)
    assert tuning.joined(tuning.names(read)) == read


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("freesing", "unknown tuning 'freesing'. Did you mean 'freezing'"),
        ("freezing+", "unknown tuning ''"),
        ("freezing+none", "none cannot be combined"),
        ("", "must be a name"),
    ],
)
def test_what_is_no_tuning_is_told(text: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        axes.read("tuning", [text])


POSSIBLE = {
    ("inference", "cpu", "compile"): {"freezing"},
    ("inference", "cpu", "eager"): set(),
    ("training", "cpu", "compile"): {"fused-optimizer"},
    ("training", "cuda", "eager"): {"fused-optimizer", "cudnn-exhaustive", "cudnn-heuristics"},
    ("inference", "cuda", "compile"): {"freezing", "cudnn-exhaustive", "cudnn-heuristics"},
    ("inference", "cuda", "cudagraph"): {"cudnn-exhaustive", "cudnn-heuristics"},
}


@pytest.mark.parametrize("setting", POSSIBLE)
def test_a_tuning_that_means_nothing_is_refused_with_a_sentence(setting: tuple[str, str, str]) -> None:
    workload, device, engine = setting
    for name in tuning.NAMES:
        case = structs.replace(CASE, workload=workload, device=device, engine=engine, tuning=name)
        reason = feasibility.why_impossible(case)
        assert (reason is None) == (name in POSSIBLE[setting])
        assert reason is None or reason.startswith(f"{name} ")


def test_a_run_names_tunings_and_a_suite_may_too(tmp_path: Path, command_line: Command) -> None:
    arguments = ("run", "--out", tmp_path / "run", "--dry-run", "--format", "json", "--model", "lenet5")
    answer = command_line(*arguments, "--engine", "compile", "--tuning", "none,freezing", "--replicates", "1")
    assert answer.code == 0, answer.err
    assert {row["tuning"] for row in answer.rows()} == {"", "freezing"}
    answer = command_line(*arguments, "--tuning", "freezing")
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert "freezing is for engines that compile" in answer.err
    file = tmp_path / "suite.toml"
    file.write_text(
        '[[cases]]\nmodel = "lenet5"\nworkload = "training"\ntuning = ["none", "fused-optimizer"]\n'
    )
    found = expand.cases(named_suites.find(str(file), "cpu"), {}, threads=1)
    assert [case.tuning for case in found] == ["", "fused-optimizer"]
    assert found[1].id.endswith("/fused-optimizer")
    assert named_suites.find(str(file), "cpu").protocol == MeasurementProtocol()


def _trained(tunings: str, steps: int) -> list[torch.Tensor]:
    """The weights of LeNet-5 after some steps."""
    case = structs.replace(CASE, workload="training", tuning=tunings)
    torch.manual_seed(0)
    network = load("lenet5", channels=1, image=28, classes=10)
    prepared = workloads()["training"].prepare(network, case, engines.get("eager"), "cpu")
    for _ in range(steps):
        prepared.setup()
        prepared.step()
    return [parameter.detach() for parameter in network.module.parameters()]


@pytest.mark.slow
def test_the_fused_optimizer_learns_the_same() -> None:
    for plain, fused in zip(_trained("", 4), _trained("fused-optimizer", 4), strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-7)


def test_the_fused_optimizers_momentum_is_zero_before_the_first_step() -> None:
    """Where a GradScaler skips the first step, the second one must not read what nobody wrote."""
    case = structs.replace(CASE, workload="training", tuning="fused-optimizer")
    network = load("lenet5", channels=1, image=28, classes=10)
    prepared = workloads()["training"].prepare(network, case, engines.get("eager"), "cpu")
    state = prepared.tensors()["optimizer_state"]
    assert len(state) == len(list(network.module.parameters()))
    assert not any(tensor.count_nonzero() for tensor in state)


@pytest.mark.slow
def test_freezing_makes_constants_of_the_weights() -> None:
    """Weights that change after compiling change nothing; without freezing they do. No convolution, so that
    no C++ is built."""
    images, engine = torch.randn(4, 8), engines.get("compile")
    for name, follows in (("freezing", False), ("", True)):
        torch._dynamo.reset()
        layer = nn.Linear(8, 3)
        case = structs.replace(CASE, engine="compile", tuning=name)
        with case_context(case, "cpu"):
            call = engine.wrap(layer, name)
            before = call(images)
            torch.testing.assert_close(before, layer(images))
            layer.weight.data = torch.zeros_like(layer.weight)
            assert torch.equal(call(images), before) != follows


def test_every_plan_of_cudnn_and_none_exclude_each_other() -> None:
    case = structs.replace(CASE, device="cuda", tuning="cudnn-exhaustive+cudnn-heuristics")
    reason = feasibility.why_impossible(case)
    assert reason == "cudnn-exhaustive tries every plan of cuDNN and cudnn-heuristics none: one of the two"


@pytest.mark.parametrize(
    ("name", "tries", "limit"),
    [("", "true", "10"), ("cudnn-heuristics", "false", "10"), ("cudnn-exhaustive", "true", "0")],
)
def test_cudnn_tries_ten_plans_unless_told_otherwise(name: str, tries: str, limit: str) -> None:
    from bench import devices

    if torch.backends.cudnn.benchmark_limit is None:
        pytest.skip("this torch has no cuDNN")
    device = devices.get("cuda")
    threads = torch.get_num_threads()
    with torch.backends.cudnn.flags(enabled=True):  # what it sets is undone
        device.prepare(structs.replace(CASE, device="cuda", tuning=name, threads=threads))
        found = device.read_back().precision
    assert (found["cudnn_benchmark"], found["cudnn_benchmark_limit"]) == (tries, limit)


class _HostReads(TorchDispatchMode):
    """Counts the numbers that the host asks of tensors: on a GPU it waits for each."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("tuning", ["", "fused-optimizer"])
@pytest.mark.parametrize("precision", ["fp32", "amp-fp16"])
def test_a_step_is_said_to_wait_where_the_host_asks_for_a_number(precision: Precision, tuning: str) -> None:
    """GradScaler does, unless the optimizer is fused."""
    case = structs.replace(CASE, workload="training", precision=precision, tuning=tuning)
    network = load("lenet5", channels=1, image=28, classes=10)
    steps = workloads()["training"].prepare(network, case, engines.get("eager"), "cpu")
    steps.setup()
    steps.step()
    with _HostReads() as reads:
        steps.step()
    assert steps.synchronises == (reads.count > 0)
