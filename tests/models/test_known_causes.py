"""Errors of a user's code are told by what it did, and not by a library's words alone."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest
import torch
from torch import nn

from models.known_causes import known_cause, words_of
from models.load import load
from models.user_code import FactoryError
from models.user_imports import isolated_imports


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "import nosuchmodule",
            "imports 'nosuchmodule', which is neither installed with convbench nor",
        ),
        ("import torch.nosuchpart", "imports 'torch.nosuchpart', which 'torch' does not have"),
        ("from torch.nn import Linearr", "imports a name that 'torch.nn' does not have"),
        (
            "open('conf/net.json')",
            "opens 'conf/net.json', which is not in {here}, where convbench was",
        ),
        ("open('/no/such/weights.pt')", "opens '/no/such/weights.pt', which does not exist"),
        (
            "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/weights.pt', timeout=5)",
            "downloads something, and cannot: fetch it beforehand",
        ),
        (
            "nn.Linear(1, 2).load_state_dict(nn.Linear(1, 3).state_dict())",
            "loads weights that do not fit the network it builds (RuntimeError: Error(s) in loading"
            " state_dict for Linear: size mismatch for weight",
        ),
        (
            "class Net(nn.Module):\n def __init__(self): self.fc = nn.Linear(1, 1)\nNet()",
            "sets a layer before it calls super().__init__()",
        ),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told_by_what_it_did(tmp_path: Path, text: str, words: str) -> None:
    net = tmp_path / "net.py"
    net.write_text(f"from torch import nn\n{text}\ndef build(): ...\n")
    with isolated_imports(), pytest.raises(FactoryError) as told:
        load(f"{net}:build", channels=3, image=8, classes=2)
    assert f"{net}:build {words.format(here=Path.cwd())}" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "words",
    [
        "Found no NVIDIA driver on your system. Please check",
        "Torch not compiled with CUDA enabled",
        "No CUDA GPUs are available",
        "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
    ],
)
def test_cuda_only_code_is_told_so(words: str) -> None:
    assert "asks for a CUDA GPU, and has none here" in (known_cause(RuntimeError(words)) or "")


def test_a_module_without_forward_is_told_so() -> None:
    with pytest.raises(NotImplementedError) as told:
        nn.Module()(torch.zeros(1))
    assert known_cause(told.value) == "calls a module that has no method forward"


def test_an_error_that_speaks_for_itself_has_no_other_cause() -> None:
    assert known_cause(ValueError("no such depth")) is None
    assert known_cause(ImportError("a word of the author")) is None
    assert words_of(ValueError("first\nsecond")) == "ValueError: first"
    assert words_of(AssertionError()) == "AssertionError"
    assert known_cause(urllib.error.URLError("no route")) is not None
