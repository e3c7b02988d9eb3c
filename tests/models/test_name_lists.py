"""Lists and wildcards of networks, as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import name_lists
from models.catalogue import MODELS
from models.errors import UserError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose names have commas in them."""
    for name in ("a,b/net.py", "net.py", "my,net.py", "vgg11,c/net.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("def build(width=1, depth=1): ...\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("vgg11, vgg13", ["vgg11", "vgg13"]),
        ("a,b/net.py:build", ["a,b/net.py:build"]),
        ("vgg11,a,b/net.py:build,net.py:build", ["vgg11", "a,b/net.py:build", "net.py:build"]),
        ("my,net.py:build,vgg13", ["my,net.py:build", "vgg13"]),
        ("vgg11,c/net.py:build", ["vgg11,c/net.py:build"]),  # there is no c/net.py
        ("a,b/gone.py:build", ["a,b/gone.py:build"]),  # so that the sentence names this file
        ("a,b/net.py:build(width=1,depth=2),vgg11", ["a,b/net.py:build(width=1,depth=2)", "vgg11"]),
        ("vgg99,vgg13", ["vgg99", "vgg13"]),
        ("x,y/net.py:build", ["x", "y/net.py:build"]),
    ],
)
def test_a_comma_separates_or_belongs_to_a_path(text: str, names: list[str]) -> None:
    assert name_lists.read(text) == names


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("vgg1?", ["vgg11", "vgg13", "vgg16", "vgg19"]),
        ("VGG1?", ["vgg11", "vgg13", "vgg16", "vgg19"]),
        ("vgg1[13]-bn", ["vgg11-bn", "vgg13-bn"]),
        ("vgg1[13]+norm=bn", ["vgg11+norm=bn", "vgg13+norm=bn"]),
        ("*", list(MODELS)),
        ("torchvision:vgg1?_bn", [f"torchvision:vgg{n}_bn" for n in (11, 13, 16, 19)]),
        ("torchvision:resnet*", [f"torchvision:resnet{n}" for n in (101, 152, 18, 34, 50)]),
        ("torchvision:vgg1[13](dropout=0.1)", [f"torchvision:vgg{n}(dropout=0.1)" for n in (11, 13)]),
        ("torchvision:fcn*", ["torchvision:fcn_resnet101", "torchvision:fcn_resnet50"]),
        ("a[bc]/net.py:build", ["a[bc]/net.py:build"]),
        ("torchvision:vgg16", ["torchvision:vgg16"]),
    ],
)
def test_a_wildcard_stands_for_the_networks_that_match(pattern: str, names: list[str]) -> None:
    assert name_lists.read(pattern) == names


def test_all_of_torchvision_are_its_networks_of_classification() -> None:
    from torchvision import models

    assert name_lists.read("torchvision:*") == [f"torchvision:{name}" for name in models.list_models(models)]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("torchvision:resnt*", "no network of torchvision matches 'resnt[*]'. Did you mean 'resnet"),
        ("vg11*", "no built-in network matches 'vg11[*]'. Did you mean 'vgg11'"),
    ],
)
def test_a_wildcard_that_nothing_matches_is_told(pattern: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        name_lists.read(pattern)


def test_names_are_completed_ours_first_and_a_librarys_behind_its_colon() -> None:
    assert name_lists.beginning_with("vgg13") == ["vgg13", "vgg13-bn"]
    assert name_lists.beginning_with("torch") == ["torchvision:"]
    assert "torchvision:alexnet" in name_lists.beginning_with("torchvision:a")
    assert name_lists.beginning_with("") == [*MODELS, "torchvision:", "timm:"]
