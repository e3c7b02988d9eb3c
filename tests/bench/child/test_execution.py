"""Steps that did not run as the row says are told of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench import engines
from bench.child import execution
from models import process_state
from models.network import Network


def test_steps_that_change_the_process_are_told_of() -> None:
    before = process_state.read()
    assert execution.settings_changed(before) == []
    threads = torch.get_num_threads()
    with process_state.kept():
        torch.set_num_threads(threads + 1)
        (warning,) = execution.settings_changed(before)
    assert (warning.label, warning.detail) == (
        "process-state",
        f"the network's steps change the number of threads ({threads} before, {threads + 1} after)",
    )


def test_what_loading_did_is_told_of() -> None:
    found = execution.of_loading(Network(nn.Linear(1, 1), was_compiled=True, lost_settings=("x", "y")))
    assert [warning.label for warning in found] == ["already-compiled", "process-state"]
    assert found[1].detail == "loading the network changed x, y permanently"
    assert execution.of_loading(Network(nn.Linear(1, 1))) == []


@pytest.mark.slow
def test_torchscript_is_told_of_wherever_it_is() -> None:
    script = torch.jit.script(nn.Linear(1, 1))
    assert execution.scripted(nn.Sequential(nn.ReLU())) == []
    (whole,), (part,) = execution.scripted(script), execution.scripted(nn.Sequential(script))
    assert whole.detail == "the network is TorchScript, which is neither eager nor torch.compile"
    assert part.detail.startswith("0 is TorchScript")


@pytest.mark.slow
def test_a_users_own_compiler_sleeps_unless_the_engine_compiles() -> None:
    asked = []

    def backend(graph: torch.fx.GraphModule, inputs: object) -> object:
        asked.append(graph)
        return graph.forward

    layer = torch.compile(nn.Linear(3, 2), backend=backend)
    with execution.without_compiler(engines.get("eager")):
        layer(torch.ones(1, 3))
    assert asked == []
    with execution.without_compiler(engines.get("compile")):
        layer(torch.ones(1, 3))
    assert len(asked) == 1
