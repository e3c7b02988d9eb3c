"""Checkpoints: whole or not at all, of this case or of none, and never code."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs
from torch import nn

from bench.child.training import checkpoint
from bench.probes.fingerprinting import fingerprint
from bench.schema.epochs import Epoch, History
from tests.planted.planted_learners import changed, training_case

pytestmark = pytest.mark.slow

CASE = training_case()
EPOCH = Epoch(
    number=1,
    images=22,
    loop_seconds=1 / 3,
    step_seconds=0.1,
    train_loss=1e-300,
    train_accuracy=2 / 3,
    test_loss=1.25,
    test_accuracy=0.5,
    energy_joules=7.0,
)
HISTORY = History(epochs=(EPOCH,), peaks={"peak_allocated": 2**40})


def state() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(50, 7, generator=generator)
    return {"module": {"w": weights, "half": weights[0].bfloat16()}, "scaler": {"scale": 65536.0}}


def saved(folder: Path) -> Path:
    path = folder / "checkpoints" / "run.pt"
    checkpoint.save(path, CASE, HISTORY, state())
    return path


def test_what_was_saved_comes_back_bit_for_bit_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = saved(tmp_path)
    found = checkpoint.load(path, CASE)
    assert found is not None
    history, back = found
    assert history == HISTORY
    assert back["scaler"] == {"scale": 65536.0}
    for name, tensor in state()["module"].items():
        assert back["module"][name].dtype == tensor.dtype
        assert torch.equal(back["module"][name], tensor)
    assert [file.name for file in path.parent.iterdir()] == ["run.pt"]


def test_there_is_none_before_the_first_epoch(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "none.pt", CASE) is None
    assert checkpoint.load(tmp_path, CASE) is None


def test_one_of_another_case_is_none(tmp_path: Path) -> None:
    path = saved(tmp_path)
    others = [
        structs.replace(CASE, seed=1),
        structs.replace(CASE, replicate=2),
        structs.replace(CASE, precision="bf16"),
        structs.replace(CASE, task=None),
        changed(CASE, lr=0.2),
        changed(CASE, epochs=4),
    ]
    assert [checkpoint.load(path, other) for other in others] == [None] * len(others)
    assert checkpoint.load(path, CASE) is not None


def test_a_later_one_replaces_it_and_one_that_fails_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path)
    later = structs.replace(HISTORY, epochs=(EPOCH, structs.replace(EPOCH, number=2)))
    checkpoint.save(path, CASE, later, state())
    found = checkpoint.load(path, CASE)
    assert found is not None
    assert found[0] == later

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, CASE, HISTORY, state())
    assert list(path.parent.iterdir()) == [path]
    found = checkpoint.load(path, CASE)
    assert found is not None
    assert found[0] == later


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss of power must not leave the name on a file whose bytes were never written."""
    synced: list[tuple[str, int, bool]] = []

    def fsync(descriptor: int) -> None:
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        synced.append((name, os.fstat(descriptor).st_size, (tmp_path / "checkpoints" / "run.pt").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    path = saved(tmp_path)
    ((name, size, named),) = synced
    assert name != str(path)
    assert size == path.stat().st_size
    assert not named


@pytest.mark.parametrize("seed", range(4))
def test_a_file_cut_anywhere_is_none(tmp_path: Path, seed: int) -> None:
    path, chance = saved(tmp_path), random.Random(seed)
    path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])
    assert checkpoint.load(path, CASE) is None


def test_weights_in_which_one_bit_is_wrong_are_none(tmp_path: Path) -> None:
    """torch.load itself returns them without a word."""
    path = saved(tmp_path)
    data, weights = bytearray(path.read_bytes()), state()["module"]["w"].numpy().tobytes()
    data[data.index(weights) + 700] ^= 16
    path.write_bytes(data)
    assert not torch.equal(torch.load(path)["state"]["module"]["w"], state()["module"]["w"])
    assert checkpoint.load(path, CASE) is None


def test_zeros_anywhere_never_give_other_weights(tmp_path: Path) -> None:
    """As a file system leaves them that lost its power."""
    path = saved(tmp_path)
    data, none = path.read_bytes(), 0
    for start in range(0, len(data) - 64, 64):
        path.write_bytes(data[:start] + bytes(64) + data[start + 64 :])
        found = checkpoint.load(path, CASE)
        none += found is None
        assert found is None or torch.equal(found[1]["module"]["w"], state()["module"]["w"])
    assert none > 20


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("where", ["alone", "in the state", "in the zip", "in the old format"])
def test_a_file_that_would_run_code_does_not(tmp_path: Path, where: str) -> None:
    path, victim = saved(tmp_path), tmp_path / "ran"
    whole = torch.load(path, weights_only=True)
    whole["state"]["module"]["w"] = Bomb(victim)
    if where == "alone":
        path.write_bytes(pickle.dumps(Bomb(victim), protocol=2))
    elif where == "in the zip":
        data = io.BytesIO(path.read_bytes())
        with zipfile.ZipFile(data) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                new.writestr(
                    name, pickle.dumps(whole, protocol=2) if name.endswith("data.pkl") else old.read(name)
                )
    else:
        torch.save(whole, path, _use_new_zipfile_serialization=where == "in the state")
    assert checkpoint.load(path, CASE) is None
    assert not victim.exists()
    with contextlib.suppress(Exception):  # whatever it makes of what came back
        torch.load(path, weights_only=False)
    assert victim.exists(), "the bomb is none, and the test shows nothing"


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
@pytest.mark.parametrize(
    "whole",
    [
        torch.zeros(3),
        {},
        [1, 2],
        {"format": 1, "case": "{}", "history": "{}", "state": {}},
        {"format": 1, "case": 5, "history": "{}", "state": {}},
        {"format": 2, "case": None, "history": "{}", "state": {}},
        {"format": 1, "case": None, "history": '{"epochs": [{}]}', "state": {}},
        {"format": 1, "case": None, "history": "not json", "state": {}},
        {"format": 1, "case": None, "history": "{}"},
    ],
    ids=repr,
)
def test_a_file_with_something_else_in_it_is_none(tmp_path: Path, whole: Any) -> None:
    path = saved(tmp_path)
    case = torch.load(path, weights_only=True)["case"]
    if isinstance(whole, dict):
        whole = {key: case if value is None else value for key, value in whole.items()}
    torch.save(whole, path)
    assert checkpoint.load(path, CASE) is None


def test_the_weights_of_another_network_are_not_gone_on_from(tmp_path: Path) -> None:
    """It may have the same names and shapes: an activation has no weights."""
    path = tmp_path / "run.pt"
    relu, tanh = (fingerprint(nn.Sequential(nn.Linear(2, 2), each)) for each in (nn.ReLU(), nn.Tanh()))
    checkpoint.save(path, CASE, HISTORY, state(), relu)
    assert checkpoint.load(path, CASE, relu) is not None
    assert checkpoint.load(path, CASE, tanh) is None
    checkpoint.save(path, CASE, HISTORY, state())  # as they were before a network was kept
    assert checkpoint.load(path, CASE, tanh) is not None
