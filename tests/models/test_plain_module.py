"""What torch.compile put around a user's module is taken off, and what cannot be switched is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.errors import UserError
from models.load import load
from models.plain_module import plain, refuse_script, switched

pytestmark = pytest.mark.slow  # each begins with the import of the compiler

compiled_graphs: list[object] = []


def backend(graph: torch.fx.GraphModule, inputs: object) -> Callable[..., object]:
    """A compiler that compiles nothing, and remembers that it was asked."""
    compiled_graphs.append(graph)
    return graph.forward


def doubled(x: Tensor) -> Tensor:
    return 2 * x


@torch.compiler.disable  # type: ignore[untyped-decorator]
def kept(x: Tensor) -> Tensor:
    return x


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layer(x)
        return outputs


class Decorated(Plain):
    @torch.compile(backend=backend)
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Calling(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(kept(doubled(x)))


def whole() -> nn.Module:
    module: nn.Module = torch.compile(Plain(), backend=backend)  # type: ignore[assignment]
    return module


def in_place() -> nn.Module:
    module = Plain()
    module.compile(backend=backend)
    return module


def of_a_part() -> nn.Module:
    module = Plain()
    module.layer = torch.compile(module.layer, backend=backend)  # type: ignore[assignment]
    return nn.Sequential(module)


def of_its_forward() -> nn.Module:
    module = Plain()
    module.forward = torch.compile(module.forward, backend=backend)  # type: ignore[method-assign]
    return module


def of_a_function() -> nn.Module:
    globals()["doubled"] = torch.compile(doubled, backend=backend)
    return Calling()


@pytest.fixture(autouse=True)
def compiler() -> Iterator[None]:
    torch.compiler.reset()
    compiled_graphs.clear()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize("factory", [whole, in_place, of_a_part, of_its_forward, Decorated, of_a_function])
def test_what_torch_compile_made_is_taken_off(factory: Callable[[], nn.Module]) -> None:
    module, found = plain(factory())
    assert found
    assert module(torch.ones(4, 3)).shape == (4, 2)
    assert compiled_graphs == []
    assert sum(weight.numel() for weight in module.parameters()) == 8
    assert not any("_orig_mod" in name for name, _ in module.named_parameters())


def test_what_was_not_compiled_is_left() -> None:
    module = Plain()
    assert plain(module) == (module, False)
    assert kept._torchdynamo_disable


def test_a_module_that_takes_one_mode_is_refused() -> None:
    """As that of an exported program, also inside of another."""

    class Fixed(Plain):
        def train(self, mode: bool = True) -> Fixed:
            raise NotImplementedError("Calling train() is not supported yet.")

    with pytest.raises(
        UserError, match=r"net.py:build .* cannot switch between training and evaluation.*torch.export"
    ):
        switched(nn.Sequential(Fixed()), "net.py:build")


def test_torchscript_is_refused_wherever_it_is() -> None:
    script = torch.jit.script(nn.Linear(1, 1))
    refuse_script(nn.Linear(1, 1), "net.py:build")
    with pytest.raises(UserError, match=r"net.py:build returned a TorchScript module, made by"):
        refuse_script(script, "net.py:build")
    with pytest.raises(UserError, match=r"net.py:build returned a TorchScript module in 1, made by"):
        refuse_script(nn.Sequential(nn.ReLU(), script), "net.py:build")


FACTORIES = """
import torch
from torch import nn
def compiled(): return torch.compile(nn.Linear(3, 2))
def seeded():
    torch.manual_seed(1234)
    return nn.Linear(3, 2)
def constant():
    layer = nn.utils.skip_init(nn.Linear, 3, 2)
    return layer
def lazy(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
def usual(): return nn.Linear(3, 2)
"""


@pytest.mark.parametrize(
    ("factory", "was_compiled", "ignores_seed"),
    [
        ("compiled", True, False),
        ("seeded", False, True),
        ("constant", False, True),
        ("lazy", False, False),
        ("usual", False, False),
    ],
)
def test_a_network_tells_of_its_compiler_and_of_its_seed(
    tmp_path: Path, factory: str, was_compiled: bool, ignores_seed: bool
) -> None:
    (tmp_path / "factories.py").write_text(FACTORIES)
    torch.manual_seed(0)
    found = load(f"{tmp_path}/factories.py:{factory}", channels=3, image=2, classes=2)
    sys.modules.pop("factories", None)
    assert (found.was_compiled, found.ignores_seed) == (was_compiled, ignores_seed)
