"""What a user's `inputs(batch, device)` may return, and the sentence for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.load import load
from models.network import Arguments
from models.user_code import FactoryError
from models.user_imports import isolated_imports

FACTORY = "import torch\nfrom torch import nn\ndef make():\n    return nn.Identity()\n"
CPU = torch.device("cpu")


def given(
    tmp_path: Path, code: str, batch: int = 4, device: torch.device = CPU, image: int = 224
) -> Arguments:
    """What a file with this code gives its network."""
    file = tmp_path / "net.py"
    file.write_text(FACTORY + code)
    with isolated_imports():
        network = load(f"{file}:make", channels=3, image=image, classes=10)
        assert network.inputs is not None
        return network.inputs(batch, device)


def refused(tmp_path: Path, code: str, batch: int = 4, device: torch.device = CPU, image: int = 224) -> str:
    with pytest.raises(FactoryError) as error:
        given(tmp_path, code, batch, device, image)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{tmp_path}/", "")


def returning(expression: str) -> str:
    return f"def inputs(batch, device):\n    return {expression}\n"


def test_a_file_without_it_has_a_network_of_images(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FACTORY)
    with isolated_imports():
        assert load(f"{tmp_path}/net.py:make", channels=3, image=8, classes=2).inputs is None


def test_a_tensor_is_the_one_argument(tmp_path: Path) -> None:
    found = given(tmp_path, returning("torch.ones(batch, 7, dtype=torch.int64, device=device)"))
    assert found.keywords == {}
    (tokens,) = found.positional
    assert (tokens.shape, tokens.dtype) == ((4, 7), torch.int64)


def test_a_tuple_is_the_positional_arguments_and_need_not_hold_tensors_alone(tmp_path: Path) -> None:
    found = given(tmp_path, returning("(torch.zeros(batch, 2), None, [torch.ones(batch)])"))
    first, nothing, (last,) = found.positional
    assert nothing is None
    assert [tuple(each.shape) for each in found.tensors()] == [(4, 2), (4,)]
    assert (first, last) == tuple(found.tensors())


def test_a_dict_is_the_arguments_by_name(tmp_path: Path) -> None:
    found = given(tmp_path, returning("dict(tokens=torch.zeros(batch, 2), scale=3)"))
    assert found.positional == ()
    assert list(found.keywords) == ["tokens", "scale"]
    assert found.call(lambda *, tokens, scale: (tuple(tokens.shape), scale)) == ((4, 2), 3)


def test_the_batch_may_be_the_second_dimension(tmp_path: Path) -> None:
    assert given(tmp_path, returning("torch.zeros(9, batch, 6)")).tensors()[0].shape == (9, 4, 6)


def test_a_second_dimension_that_is_the_batch_by_accident_is_no_batch(tmp_path: Path) -> None:
    assert refused(tmp_path, returning("torch.zeros(9, 4)")) == (
        "net.py:inputs returned (9, 4) whatever the batch is: it must follow its argument batch"
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (returning("None"), "net.py:inputs returned nothing. Accepted: a tensor, a tuple of positional"),
        (returning("[torch.zeros(batch)]"), "returned an object of type list. Accepted: a tensor"),
        (returning("(batch, 3)"), "net.py:inputs returned no tensor. Accepted: a tensor"),
        (
            returning("torch.zeros(8, 5)"),
            "net.py:inputs was asked for a batch of 4 and returned (8, 5): the batch is the first dimension"
            " of at least one tensor, or the second",
        ),
        (
            returning("torch.zeros(batch, 'five')"),
            "net.py:inputs(4, cpu) failed with TypeError: zeros(): argument 'size'",
        ),
        (
            "def inputs(size):\n    return torch.zeros(size)\n",
            "net.py:inputs takes (size): it is called as inputs(batch=..., device=...)",
        ),
        (
            "inputs = torch.zeros(1, 3, 8, 8)\n",
            "net.py:inputs is an object of type Tensor: beside a factory this name is kept for a function",
        ),
    ],
)
def test_what_it_may_not_be_is_one_sentence(tmp_path: Path, code: str, words: str) -> None:
    assert words in refused(tmp_path, code)


def test_a_tensor_on_another_device_is_named(tmp_path: Path) -> None:
    words = refused(tmp_path, returning("torch.zeros(batch, 3)"), device=torch.device("meta"))
    assert words.startswith("net.py:inputs returned a tensor on cpu, and was asked for meta: make it there")


def test_sizes_that_nobody_takes_are_refused_and_those_of_the_factory_are_not(tmp_path: Path) -> None:
    code = returning("torch.zeros(batch, 3)")
    assert refused(tmp_path, code, image=32) == (
        "net.py:inputs makes what the network is given, so --image 32 would change nothing: leave it out, or"
        " let the factory take it"
    )
    takes = "def make(image):\n    assert image == 32\n    return nn.Identity()\n"
    assert given(tmp_path, code + takes, image=32).tensors()[0].shape == (4, 3)


def test_lazy_layers_take_their_shapes_from_it(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\ndef make():\n    return nn.LazyLinear(5)\n"
        + returning("torch.zeros(batch, 3, device=device)")
    )
    with isolated_imports():
        module = load(f"{tmp_path}/net.py:make", channels=3, image=224, classes=2, batch=8).module
    assert [tuple(each.shape) for each in module.parameters()] == [(5, 3), (5,)]
