"""Factories of users' files: with arguments, of the wrong kind, and files that do odd things when loaded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from models.errors import UserError
from models.load import load
from models.user_code import FactoryError
from models.user_imports import isolated_imports

NET = """
from torch import nn
class Net(nn.Module):
    def __init__(self, width, depth=1, *, classes=2, tag=None):
        super().__init__()
        self.said = (width, depth, classes, tag)
"""
PARSER = "import argparse\np = argparse.ArgumentParser()"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return tmp_path / "net.py"


def loaded(spec: str) -> Any:
    with isolated_imports():
        return load(spec, channels=3, image=8, classes=5).module


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("Net(4)", (4, 1, 5, None)),
        ("Net(width=4, depth=2)", (4, 2, 5, None)),
        ("Net(4, 3, tag='a,b:(c)')", (4, 3, 5, "a,b:(c)")),
        ("partly(tag=[1, {'x': None}])", (9, 1, 5, [1, {"x": None}])),
        ("any_width(width=-2)", (-2, 1, 2, None)),
        ("any_width()", (7, 1, 2, None)),
    ],
)
def test_a_factory_is_given_literals_and_the_sizes_that_it_names(
    net: Path, call: str, said: tuple[object, ...]
) -> None:
    net.write_text(
        f"{NET}\nimport functools\npartly = functools.partial(Net, 9)\nany_width = lambda width=7: Net(width)"
    )
    assert loaded(f"{net}:{call}").said == said


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("Net", r"Net needs the argument 'width'. Give Net\(width=\.\.\.\)"),
        ("Net(1, height=2)", "does not take these arguments .*'height'.*: it takes .*'width', 'depth'"),
        ("Net(1, 2, 3)", "does not take these arguments .*too many positional"),
        ("Net(1, classes=3)", "classes is an axis of its own: --classes 3"),
        ("instance(1)", "is an instance .a module., not a factory"),
    ],
)
def test_arguments_that_do_not_fit_are_told(net: Path, call: str, words: str) -> None:
    net.write_text(f"{NET}\ninstance = Net(1)")
    with pytest.raises(FactoryError, match=words):
        loaded(f"{net}:{call}")


def test_a_module_in_the_place_of_a_factory_is_taken_as_it_is(net: Path) -> None:
    net.write_text(f"{NET}\ninstance = Net(6)")
    assert loaded(f"{net}:instance").said == (6, 1, 2, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def make(): nn.Identity()", "returned None, not an nn.Module: is its return missing"),
        ("def make(): return nn.Identity(), max", "a tuple .Identity, builtin.*: return its item 0 alone"),
        ("def make(): return ['a']", r"a list \(str\), not an nn.Module$"),
        ("def make(): return nn.Linear(1, 1).state_dict()", r"OrderedDict \(weight, bias.*weights alone"),
        ("def make(): return nn.Identity", "the class Identity, not an nn.Module: call it"),
        (
            "class Wrapper:\n  def __init__(self): self.model = nn.Identity()\nmake = Wrapper",
            "its attribute 'model'",
        ),
        ("async def make(): ...", "an async function"),
        ("def make(): yield nn.Identity()", "a generator: it yields"),
        ("make = {'weight': 1}", "an object of type dict, not a callable"),
        ("if __name__ == '__main__':\n  def make(): ...", "is not defined once the file is imported"),
    ],
)
def test_what_is_no_network_is_told_with_what_to_do(net: Path, body: str, words: str) -> None:
    net.write_text(f"from torch import nn\n{body}")
    with pytest.raises(FactoryError, match=words) as told:
        loaded(f"{net}:make")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "import sys; sys.exit('done')",
            "ends the program when it is loaded .SystemExit: done.: put what runs",
        ),
        ("import os; os._exit(3)", "ends the program when it is loaded .SystemExit: 3"),
        ("raise KeyboardInterrupt", "failed with KeyboardInterrupt"),
        ("class Odd(BaseException): ...\nraise Odd('x')", "failed with Odd: x"),
        ("raise EOFError('EOF when reading a line')", "asks for input when it is loaded"),
        (
            f"{PARSER}\np.add_argument('--data', required=True)\np.parse_args()",
            "reads command-line arguments .*: the following arguments are required: --data; give them",
        ),
    ],
)
def test_a_file_that_ends_the_program_is_told(net: Path, body: str, words: str) -> None:
    net.write_text(f"def make(): ...\n{body}")
    with pytest.raises(FactoryError, match=words):
        loaded(f"{net}:make")


def test_a_file_that_parses_arguments_has_its_own_defaults(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net.write_text(
        f"{NET}\nimport sys\n{PARSER}\np.add_argument('--width', default=8)\ngiven = p.parse_args()\n"
        "def make():\n  return Net(p.parse_args().width, given.width, tag=list(sys.argv))"
    )
    monkeypatch.setattr(sys, "argv", ["convbench", "run", "--out", "x"])
    leave = os._exit
    assert loaded(f"{net}:make").said == (8, 8, 2, [str(net)])
    assert sys.argv == ["convbench", "run", "--out", "x"]
    assert os._exit is leave


def test_a_process_that_a_file_forks_may_still_leave(net: Path) -> None:
    net.write_text(
        f"{NET}\nimport os\npid = os.fork()\nif pid == 0: os._exit(7)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\ndef make(): return Net(code)"
    )
    assert loaded(f"{net}:make").said[0] == 7


@pytest.mark.parametrize(
    "name",
    [
        *("my.net.py", "v1.2/net.py", "a b/my net.py", "a+b/c+d.py", "a:b/net.py", "a%20b/100%.py"),
        *(
            'it\'s/"net".py',
            "größe/сеть.py",
            "a[1]/(x).py",
            "$HOME/~.py",
            "no\u00a0break/net.py",
            "json/types.py",
        ),
        *("-x/-net.py", "class.py", "1st.py", "models/net.py", "torch/net.py", ".hidden/.net.py"),
    ],
)
def test_any_name_of_a_file_and_its_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{NET}\nfrom blocks_beside import SIZE\nmake = lambda: Net(SIZE)")
    (path.parent / "blocks_beside.py").write_text("SIZE = 11")
    assert loaded(f"{path}:make").said[0] == 11


@pytest.mark.parametrize(
    ("folder", "init"), [("v1.2", True), ("v1.2", False), ("my-net", True), ("net", True)]
)
@pytest.mark.parametrize("file", ["net.py", "my.net.py", "__init__.py"])
def test_relative_imports_in_a_folder_that_is_no_name_of_a_package(
    tmp_path: Path, folder: str, init: bool, file: str
) -> None:
    package = tmp_path / folder
    package.mkdir()
    if init:
        (package / "__init__.py").touch()
    (package / "blocks.py").write_text("SIZE = 12")
    (package / file).write_text(f"{NET}\nfrom .blocks import SIZE\nmake = lambda: Net(SIZE)")
    assert loaded(f"{package}/{file}:make").said[0] == 12


def test_encodings_links_and_folders_that_cannot_be_written(tmp_path: Path) -> None:
    text = f"{NET}\nmake = lambda: Net(len('é'))"
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "latin.py").write_bytes(f"# -*- coding: latin-1 -*-\n{text}".encode("latin-1"))
    (tmp_path / "crlf.py").write_bytes(text.replace("\n", "\r\n").encode())
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "sha256-77").write_text(text)
    (tmp_path / "link.py").symlink_to(tmp_path / "store" / "sha256-77")
    tmp_path.chmod(0o555)
    try:
        for name in ("bom.py", "latin.py", "crlf.py", "link.py"):
            assert loaded(f"{tmp_path}/{name}:make").said[0] == 1, name
    finally:
        tmp_path.chmod(0o755)


def test_a_home_folder_that_the_shell_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(f"{NET}\nmake = lambda: Net(1)")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert loaded("~/net.py:make").said[0] == 1
    with pytest.raises(UserError, match=r"cannot read ~nobody-of-this-name/net\.py"):
        loaded("~nobody-of-this-name/net.py:make")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net.ipynb", "is a notebook. Convert it"),
        ("net.pyc", "is compiled Python. Give the source"),
        ("net.pth", "is of weights, not code"),
        ("net.txt", "is not a Python file: its name must end in .py"),
    ],
)
def test_other_files_are_called_what_they_are(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=words):
        loaded(f"{tmp_path}/{name}:make")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{0}:make", "is a folder. Give a file in it"),
        ("{0}", "is a folder. Give a file in it"),
        ("{0}/empty.py:make", "it defines nothing at top level"),
        ("{0}/net.py:buidl", "does not define 'buidl' at top level. Did you mean 'build'"),
        ("{0}/net.py:zzz", "at top level. It defines Net, build, nn"),
        ("{0}/net.py", "Give .*net.py:FUNCTION. It defines Net, build, nn"),
        ("{0}/a\nb.py:make", "has control characters"),
        ("hf:resnet50", "no package or module 'hf'.* Accepted: .*torchvision:NAME, timm:NAME"),
        ("torchvison:resnet50", "no package or module 'torchvison'.*Did you mean 'torchvision'"),
        ("resnet50", "Did you mean 'torchvision:resnet50'"),
    ],
)
def test_what_cannot_be_a_network_is_told(tmp_path: Path, spec: str, words: str) -> None:
    (tmp_path / "empty.py").touch()
    (tmp_path / "net.py").write_text(f"{NET}\ndef build(): ...")
    with pytest.raises(UserError, match=words):
        loaded(spec.format(tmp_path))
