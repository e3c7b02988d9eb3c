"""What of a step was compiled code: planted events, and torch.compile itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from bench import engines
from bench.child import compiling, execution
from bench.contracts.engine import Engine
from bench.contracts.steps import Steps
from bench.devices.fake import FakeDevice
from bench.probes.compiled_part import CompiledPart, Event, part_of
from tests.planted.planted_steps import planted


@dataclass(frozen=True)
class Planted:
    """An event of the profiler, inside of another."""

    name: str
    cpu_parent: Planted | None = None


def test_products_in_compiled_code_and_outside_are_told_apart() -> None:
    """A convolution is counted once, however many operators it is made of."""
    region = Planted("Torch-Compiled Region: 0/0")
    graph = Planted("## Call CompiledFxGraph abc ##", region)
    inside = Planted("aten::convolution", graph)
    eager = Planted("aten::conv2d", region)
    backward = Planted("aten::convolution_backward", Planted("ConvolutionBackward0"))
    events: list[Event] = [
        *(region, graph, inside, Planted("aten::_convolution", inside), Planted("aten::relu", graph)),
        *(eager, Planted("aten::convolution", eager), backward),
    ]
    assert part_of(events) == CompiledPart(
        calls=1, products=3, eager={"conv2d": 1, "convolution_backward": 1}
    )


def test_an_eager_step_calls_no_compiled_code() -> None:
    assert part_of([Planted("TorchDynamo Cache Lookup"), Planted("aten::mm")]) == CompiledPart(
        calls=0, products=1, eager={"mm": 1}
    )


class Broken(nn.Module):
    """Of three layers the middle one is kept from the compiler."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def kept(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.second(x)
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.kept(self.first(x)).mean((2, 3)))
        return outputs


class Counting(nn.Module):
    """Another network at every call, as far as the compiler can tell."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(3, 2), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        outputs: Tensor = self.layer(x) / self.calls
        return outputs


@pytest.fixture
def engine() -> Iterator[Engine]:
    """torch.compile with nothing compiled yet, and nothing afterwards."""
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    counters.clear()
    yield engines.get("compile")
    torch.compiler.reset()
    counters.clear()


def steps_of(module: nn.Module, images: Tensor, engine: Engine, calls: int) -> Steps:
    """Inference steps, of which some were taken."""
    forward = engine.wrap(module.eval())

    def step() -> None:
        with torch.no_grad():
            forward(images)

    for _ in range(calls):
        step()
    return replace(planted(FakeDevice(), ()), setup=lambda: None, step=step)


@pytest.mark.slow
def test_a_part_that_is_kept_from_the_compiler_is_told(engine: Engine) -> None:
    invalid, warnings = execution.how_it_ran(engine, steps_of(Broken(), torch.randn(2, 3, 8, 8), engine, 2))
    assert invalid is None
    assert [warning.label for warning in warnings] == ["partly-eager"]
    assert warnings[0].detail.startswith(
        "1 of a step's 3 convolutions and matrix products (conv2d) ran eagerly"
    )


@pytest.mark.slow
def test_a_network_that_is_given_up_ran_eagerly(engine: Engine) -> None:
    """The limit is one graph here; the check after a window sees it reached too."""
    from torch._dynamo import config

    with config.patch(recompile_limit=1):
        steps = compiling.refuse_recompiles(steps_of(Counting(), torch.randn(4, 3), engine, 1), engine)
        steps.step()
        assert steps.why_invalid() == (
            "torch.compile reached its recompile limit inside the window and went on eagerly"
        )
        steps.step()
        assert steps.why_invalid() is None
        invalid, _ = execution.how_it_ran(engine, steps)
    assert invalid is not None
    assert "recompile limit after 1 graphs" in invalid
    assert invalid.endswith("the steps ran eagerly")


@pytest.mark.slow
def test_compiled_code_in_an_eager_row_is_told(engine: Engine) -> None:
    """Whoever asked for it: here the network's own file."""
    plain = nn.Linear(3, 2)
    images = torch.randn(4, 3)
    assert execution.compiled_already(steps_of(plain, images, engines.get("eager"), 1)) == []
    steps = steps_of(torch.compile(plain), images, engines.get("eager"), 1)  # type: ignore[arg-type]
    assert [warning.label for warning in execution.compiled_already(steps)] == ["already-compiled"]
