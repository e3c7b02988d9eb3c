"""Names and what they stand for, bad names and what is said of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torchvision

from models import catalogue
from models.catalogue import (
    MODELS,
    FileFactory,
    Input,
    ModuleFactory,
    Ours,
    Torchvision,
    arch_of,
    defaults,
    parse,
    why_impossible,
)
from models.errors import UserError
from models.libraries import torchvision_names
from tests.planted.commands import ROOT


def test_every_name_and_its_default_input() -> None:
    assert list(MODELS) == [
        "lenet5",
        "alexnet",
        "alexnet-grouped",
        "alexnet-towers",
        "alexnet-96",
        "vgg11",
        "vgg13",
        "vgg16",
        "vgg19",
        "vgg11-bn",
        "vgg13-bn",
        "vgg16-bn",
        "vgg19-bn",
        "vgg11-lrn",
        "vgg16-c",
        "vgg-small",
    ]
    unusual = {name: defaults(name) for name in MODELS if defaults(name) != Input(3, 224, 1000)}
    assert unusual == {
        "lenet5": Input(1, 28, 10),
        "alexnet-grouped": Input(3, 227, 1000),
        "alexnet-towers": Input(3, 227, 1000),
        "alexnet-96": Input(1, 224, 10),
        "vgg-small": Input(1, 224, 10),
    }
    assert defaults("torchvision:resnet18") == Input(3, 224, 1000)


def test_forms(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text("try:\n    from x import a as made\nexcept ImportError:\n    def made(): ...\n")
    assert parse("vgg16") == Ours(MODELS["vgg16"])
    assert parse("torchvision:vgg16") == Torchvision("vgg16")
    assert parse("os.path:join") == ModuleFactory("os.path", "join")
    assert parse(f"{file}:made") == FileFactory(file, "made")
    added = tmp_path / "net+norm=bn.py"
    file.rename(added)
    assert parse(f"{added}:made") == FileFactory(added, "made")


def test_architectures_are_ours_alone() -> None:
    assert arch_of("vgg16") is MODELS["vgg16"]
    for name in ("vgg16+norm=bn", "block:64:3x3"):
        assert parse(name) == Ours(arch_of(name))  # type: ignore[arg-type]
    for name in ("torchvision:vgg16", "gone+away/net.py:make", "os.path:join", "gone+away.py", "vgg61"):
        assert arch_of(name) is None
        assert defaults(name) == Input(3, 224, 1000)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(): ...", {"f"}),
        ("class F: ...", {"F"}),
        ("f = lambda: 0", {"f"}),
        ("f: object = print", {"f"}),
        ("f, (g, *h) = 1, (2, 3)", {"f", "g", "h"}),
        ("import a.b, c as d", {"a", "d"}),
        ("if 1:\n  def f(): ...\nelse:\n  g = 1", {"f", "g"}),
        ("match 1:\n  case 1:\n    f = 2", {"f"}),
        ("with open('x') as f: g = 1", {"f", "g"}),
        ("from x import *", {"anything"}),
        ("def __getattr__(name): ...", {"anything"}),
    ],
)
def test_names_that_a_file_defines(tmp_path: Path, text: str, names: set[str]) -> None:
    (tmp_path / "net.py").write_text(text)
    for name in names:
        assert parse(f"{tmp_path}/net.py:{name}")


@pytest.mark.parametrize("text", ["def f():\n  def g(): ...", "class F:\n  g = 1", "print(g)", ""])
def test_names_that_a_file_does_not_define(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.py").write_text(text)
    with pytest.raises(UserError, match="does not define 'g'"):
        parse(f"{tmp_path}/net.py:g")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("vgg161", "Did you mean 'vgg16'"),
        ("VGG-16", "Did you mean 'vgg16"),
        ("", "unknown model"),
        ("torchvision:vgg61", "unknown torchvision model 'vgg61'. Did you mean 'vgg"),
        ("torchvision:", "cannot read model"),
        (":make", "cannot read model"),
        ("no/such.py:make", r"cannot read no/such.py: No such file"),
        ("tests.py:make:x", "neither a module nor a .py file"),
        ("net.py", "Give net.py:FUNCTION"),
        ("net+norm=bn.py", "Give net[+]norm=bn.py:FUNCTION"),
        ("net.py:1st", "not a function name"),
        ("nosuchpackage.net:make", "no package or module 'nosuchpackage'"),
        ("models.net:make", "models/net.py:make"),
    ],
)
def test_bad_names_are_told_in_a_sentence(spec: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as told:
        parse(spec)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [b"def f(:\n", b"\xff\xfe\x00", b"x = 1\0", b"(" * 5000])
def test_files_that_are_not_python(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.py").write_bytes(content)
    with pytest.raises(UserError, match=r"net\.py is not valid Python"):
        parse(f"{tmp_path}/net.py:f")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "net.py").mkdir()
    with pytest.raises(UserError, match=r"is a folder. Give a file in it"):
        parse(f"{tmp_path}/net.py:f")


def test_what_torchvision_registers_is_read_from_its_source() -> None:
    assert list(torchvision_names()) == torchvision.models.list_models()


def test_why_a_network_is_impossible() -> None:
    assert why_impossible("vgg16", 3, 224, 10) is None
    assert "32x32" in str(why_impossible("vgg16", 3, 31, 10))
    assert "3 channels" in str(why_impossible("torchvision:vgg16", 1, 224, 10))
    assert why_impossible("torchvision:vgg16", 3, 8, 10) is None


def test_the_catalogue_imports_no_torch() -> None:
    program = (
        "import sys; from models.catalogue import parse, why_impossible; import models.closed_form;"
        "import models.published;"
        "parse('torchvision:vgg16'); why_impossible('vgg16+norm=bn', 3, 1, 1);"
        "import bench.schema.counts, reports.pages.cost_report;"
        "sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("spec", "family", "normalized"),
    [
        ("lenet5", "lenet", False),
        ("alexnet-grouped", "alexnet", False),
        ("alexnet+norm=bn", "alexnet", True),
        ("vgg-small", "vgg", False),
        ("vgg16-bn", "vgg", True),
        ("vgg16-bn+norm=none", "vgg", False),
        ("vgg13+kernel=5x5", "vgg", False),
        ("block:64:3x3-relu-3x3", "other", False),
        ("torchvision:vgg16_bn", "vgg", True),
        ("torchvision:resnet18", "other", False),
        ("net.py:build", "other", False),
    ],
)
def test_the_family_and_the_normalization_of_a_network(spec: str, family: str, normalized: bool) -> None:
    assert catalogue.family_of(spec) == family
    assert catalogue.has_batch_norm(spec) is normalized


def test_every_network_of_ours_has_a_family() -> None:
    assert "other" not in {arch.family for arch in catalogue.MODELS.values()}
