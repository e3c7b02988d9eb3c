"""Networks of other people: torchvision's, a module's, a file's, whatever their packages are called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from models.errors import UserError
from models.load import load
from models.user_code import FactoryError
from models.user_imports import isolated_imports
from tests.planted.commands import ROOT

pytestmark = pytest.mark.slow

BLOCKS = """
from torch import nn
class Block(nn.Sequential):
    def __init__(self, channels): super().__init__(nn.Conv2d(channels, 4, 3), nn.ReLU())
"""
NET = """
from {blocks} import Block
def make(channels): return Block(channels)
"""

# Loads the network as a child does; torch.compile looks the module up by name.
PROGRAM = """
import sys
import torch
import models
from models.load import load
module = load(sys.argv[1], channels=2, image=8, classes=3).module
if "--compiled" in sys.argv:
    module = torch.compile(module, backend="eager")
assert module(torch.zeros(1, 2, 8, 8)).shape == (1, 4, 6, 6)
module = getattr(module, "_orig_mod", module)
place = sys.modules[type(module).__module__]
assert vars(place)[type(module).__name__] is type(module)
print(place.__name__, place.__file__, sys.modules["models"] is models, sep="|")
"""


def run_in(folder: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("|")


@pytest.mark.parametrize(
    ("package", "init", "blocks"),
    [
        ("models", True, "models.blocks"),
        ("models", True, ".blocks"),
        ("models", False, "models.blocks"),
        ("models", False, ".blocks"),
        ("bench", True, "bench.blocks"),
        ("reports", False, "reports.blocks"),
    ],
)
def test_a_user_whose_package_has_the_name_of_ours(
    tmp_path: Path, package: str, init: bool, blocks: str
) -> None:
    folder = tmp_path / package
    folder.mkdir()
    if init:
        (folder / "__init__.py").touch()
    (folder / "blocks.py").write_text(BLOCKS)
    (folder / "net.py").write_text(NET.format(blocks=blocks))
    compiled = ["--compiled"] if blocks == "models.blocks" else []  # importing the compiler takes seconds
    name, file, ours_is_there = run_in(tmp_path, f"{package}/net.py:make", *compiled)
    assert (name, Path(file)) == (f"{package}.blocks", folder / "blocks.py")
    assert ours_is_there == str(package != "models")


@pytest.mark.parametrize("name", ["net.py", "models.py", "json.py"])
def test_a_lone_file_and_its_neighbour(tmp_path: Path, name: str) -> None:
    (tmp_path / "blocks.py").write_text(BLOCKS)
    (tmp_path / name).write_text(NET.format(blocks="blocks"))
    (tmp_path / "elsewhere").mkdir()
    found = run_in(tmp_path / "elsewhere", f"../{name}:make")
    assert found == ["blocks", str(tmp_path / "blocks.py"), "True"]


def test_two_files_with_neighbours_of_one_name(tmp_path: Path) -> None:
    before = (list(sys.path), sys.modules["models"])
    for folder, width in (("a", 3), ("b", 5)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "blocks.py").write_text(f"WIDTH = {width}")
        (tmp_path / folder / "net.py").write_text(
            "import blocks\nfrom torch import nn\ndef make(): return nn.Linear(1, blocks.WIDTH)"
        )
    for folder, width in (("a", 3), ("b", 5)):
        with isolated_imports():
            module = load(f"{tmp_path}/{folder}/net.py:make", channels=3, image=8, classes=2).module
        assert isinstance(module, nn.Linear)
        assert module.out_features == width
    assert (sys.path, sys.modules["models"]) == before
    assert "blocks" not in sys.modules


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return tmp_path / "net.py"


@pytest.mark.parametrize(
    ("signature", "sizes"),
    [
        ("channels, image, classes", "channels, image, classes"),
        ("*, classes", "-1, -1, classes"),
        ("width=7, image=1", "width, image, -1"),
        ("**others", "len(others), -1, -1"),
        ("", "-1, -1, -1"),
    ],
)
def test_a_factory_is_given_what_it_names(net: Path, signature: str, sizes: str) -> None:
    body = f"    made = nn.Identity()\n    made.sizes = ({sizes})\n    return made"
    net.write_text(f"from torch import nn\ndef make({signature}):\n{body}")
    with isolated_imports():
        module = load(f"{net}:make", channels=2, image=9, classes=5).module
    names = {"channels": 2, "image": 9, "classes": 5, "width": 7, "len(others)": 0}
    assert module.sizes == tuple(names.get(word, -1) for word in sizes.split(", "))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nosuchmodule\ndef make(): ...", "ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("def make(): raise RuntimeError('first\\nsecond')", "RuntimeError: first$"),
        ("def make(): raise SystemExit(3)", "SystemExit: 3"),
        ("def make(depth): ...", r"needs the argument 'depth'\. Give make\(depth=\.\.\.\)"),
        ("def make(): return 3", "returned an object of type int, not an nn.Module"),
        ("make = 3", "an object of type int, not a callable"),
        ("from math import *", "AttributeError: .*'make'"),
        ("assert False\ndef make(): ...", "failed with AssertionError"),
    ],
)
def test_a_factory_that_fails_is_told_in_its_own_words(net: Path, text: str, words: str) -> None:
    net.write_text(text)
    with isolated_imports(), pytest.raises(FactoryError, match=words) as told:
        load(f"{net}:make", channels=3, image=8, classes=2)
    assert str(net) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("error", ["MemoryError", "torch.OutOfMemoryError"])
def test_lack_of_memory_is_not_the_factorys_error(net: Path, error: str) -> None:
    net.write_text(f"import torch\ndef make(): raise {error}()")
    with isolated_imports(), pytest.raises((MemoryError, torch.OutOfMemoryError)):
        load(f"{net}:make", channels=3, image=8, classes=2)


def test_lazy_layers_take_their_shapes(net: Path) -> None:
    net.write_text("from torch import nn\ndef make(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(4))")
    with isolated_imports():
        module = load(f"{net}:make", channels=2, image=8, classes=2).module
    assert [tuple(each.shape) for each in module.parameters()] == [(4, 128), (4,)]
    assert module.training


def test_a_module_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_package").mkdir()
    (tmp_path / "their_package" / "net.py").write_text("from torch.nn import Identity as make")
    monkeypatch.chdir(tmp_path)
    with isolated_imports():
        assert isinstance(load("their_package.net:make", channels=3, image=8, classes=2).module, nn.Identity)
        with pytest.raises(FactoryError, match=r"No module named 'their_package\.nett'"):
            load("their_package.nett:make", channels=3, image=8, classes=2)


def test_torchvision() -> None:
    module = load("torchvision:squeezenet1_1", channels=3, image=64, classes=7).module
    assert module(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
    with pytest.raises(UserError, match="needs images of 3 channels, got 1"):
        load("torchvision:squeezenet1_1", channels=1, image=64, classes=7)
