"""A fingerprint follows what a network is, and nothing that differs between processes."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from bench.probes.fingerprinting import MOST_PARTS, fingerprint
from bench.schema.network_fingerprint import NetworkFingerprint, difference, same_network
from models.build import build
from models.catalogue import MODELS, parse
from models.load import load
from models.local_sources import local_sources
from models.user_imports import isolated_imports
from tests.planted.commands import ROOT


class Net(nn.Module):
    """The small network of these tests, 314 parameters, with settings of its own."""

    def __init__(self, width: int = 8, heads: int = 2, activation: object = torch.relu) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.fc = nn.Linear(width, 10)
        self.heads, self.activation, self.mode = heads, activation, "bilinear"
        self.started, self.name, self.token = time.time(), str(uuid.uuid4()), id(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.conv(images).mean((2, 3)))
        return logits


def changed(change: Callable[[Net], object]) -> Net:
    net = Net()
    change(net)
    return net


CHANGES: dict[str, tuple[nn.Module, str]] = {
    "width": (Net(16), "parameters 314 / 618; first difference: conv is Conv2d(3, 8, "),
    "number of heads": (Net(heads=4), "first difference: the network, Net in both, has other settings"),
    "a function": (Net(activation=torch.tanh), "first difference: the network"),
    "stride": (changed(lambda net: setattr(net, "conv", nn.Conv2d(3, 8, 3, 2, 1))), "stride=(2, 2)"),
    "dilation alone": (changed(lambda net: setattr(net.conv, "dilation", (2, 2))), "dilation=(2, 2)"),
    "a layer more": (
        changed(lambda net: net.add_module("act", nn.ReLU())),
        "modules 3 / 4; first difference: act, ReLU, is in the second alone",
    ),
    "a frozen weight": (
        changed(lambda net: net.fc.requires_grad_(False)),
        "trainable parameters 314 / 224; first difference: fc, Linear(in_features=8",
    ),
    "dtype": (Net().double(), "first difference: conv, Conv2d(3, 8, "),
    "a buffer": (changed(lambda net: net.register_buffer("mean", torch.zeros(3))), "the network, Net"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_network_is_changes_its_fingerprint_and_is_named(change: str) -> None:
    other, words = CHANGES[change]
    one, new = fingerprint(Net()), fingerprint(other)
    assert not same_network(one, new)
    assert words in difference(one, new)


def test_another_process_device_mode_or_weight_does_not() -> None:
    net = Net()
    one = fingerprint(net)
    assert fingerprint(Net()) == one  # another time, name and address
    net.train(False)
    with torch.no_grad():
        net.conv.weight.add_(1.0)
    net(torch.zeros(1, 3, 4, 4)).sum().backward()
    assert fingerprint(copy.deepcopy(net).to("meta")) == fingerprint(net) == one
    assert (one.parameters, one.trainable, one.modules) == (314, 314, 3)


def test_tied_weights_are_other_weights() -> None:
    def pair(*, is_tied: bool) -> nn.Sequential:
        net = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
        if is_tied:
            net[1].weight = net[0].weight
        return net

    apart, tied = fingerprint(pair(is_tied=False)), fingerprint(pair(is_tied=True))
    assert (apart.parameters, tied.parameters) == (32, 16)
    assert not same_network(apart, tied)


def test_no_two_networks_of_the_catalogue_are_one_and_meta_is_as_good_as_any_device() -> None:
    found = [
        fingerprint(build(arch, channels=arch.channels, image=arch.image, classes=10, device="meta"))
        for arch in MODELS.values()
    ]
    assert len({(each.structure, each.weights) for each in found}) == len(MODELS)
    own = load("lenet5", channels=1, image=28, classes=10).module
    assert fingerprint(own) == fingerprint(own.to("meta"))


def test_processes_with_other_hashes_agree() -> None:
    code = "from bench.probes.fingerprinting import fingerprint; from models.build import build; "
    code += "from models.catalogue import MODELS; a = MODELS['lenet5']; import msgspec; "
    code += "m = build(a, channels=1, image=28, classes=10, device='meta'); "
    code += "print(msgspec.json.encode(fingerprint(m)).decode())"
    environment = {**os.environ, "PYTHONHASHSEED": "17"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    here = fingerprint(build(MODELS["lenet5"], channels=1, image=28, classes=10, device="meta"))
    assert msgspec.json.decode(done.stdout, type=NetworkFingerprint) == here


def test_a_large_network_fits_into_a_record_and_its_blocks_say_where_it_differs() -> None:
    def deep(stride: int = 1) -> nn.Module:
        blocks = [nn.Sequential(*(nn.Conv2d(8, 8, 3) for _ in range(8))) for _ in range(50)]
        blocks[30][5] = nn.Conv2d(8, 8, 3, stride)
        return nn.Sequential(*blocks)

    one, other = fingerprint(deep()), fingerprint(deep(2))
    assert one.modules == 451
    assert len(one.parts) == MOST_PARTS
    assert len(msgspec.json.encode(one)) < 8_000
    assert "first difference: 30, Sequential" in difference(one, other)


def test_flops_tell_apart_what_no_module_shows() -> None:
    one = msgspec.structs.replace(fingerprint(Net()), flops=110_752)
    strided = msgspec.structs.replace(one, flops=27_808)
    assert not same_network(one, strided)
    assert same_network(one, strided, same_work=False)
    assert same_network(one, msgspec.structs.replace(one, flops=None))
    assert difference(one, strided) == "FLOPs forward 110,752 / 27,808"


def traced(net: nn.Module) -> nn.Module:
    found: nn.Module = torch.jit.trace(net, torch.zeros(1, 3, 4, 4))
    return found


@pytest.mark.parametrize("lowered", [torch.jit.script, traced])
def test_a_scripted_network_has_one_too(lowered: Callable[[nn.Module], nn.Module]) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
    found = fingerprint(lowered(net))
    assert found.parameters == 224
    assert [part.kind for part in found.parts] == ["Sequential", "Conv2d", "ReLU"]
    assert fingerprint(lowered(copy.deepcopy(net))) == found


def test_the_source_is_the_user_s_files_alone(tmp_path: Path) -> None:
    """Not what a library or convbench defines, and not what lies beside and was never imported."""
    (tmp_path / "net.py").write_text("import beside, torchvision\nbuild = beside.build\n")
    (tmp_path / "beside.py").write_text("from torch import nn\ndef build(): return nn.Linear(1, 1)\n")
    (tmp_path / "unused.py").write_text("")
    with isolated_imports():
        spec = f"{tmp_path}/net.py:build"
        load(spec, channels=3, image=16, classes=10)
        first = local_sources(parse(spec))
        assert list(first) == ["beside.py", "net.py"]
    (tmp_path / "beside.py").write_text("from torch import nn\ndef build(): return nn.Linear(2, 1)\n")
    with isolated_imports():
        load(spec, channels=3, image=16, classes=10)
        second = local_sources(parse(spec))
    assert second["net.py"] == first["net.py"]
    assert second["beside.py"] != first["beside.py"]
    for library in ("lenet5", "torchvision:alexnet", "torchvision.models:alexnet"):
        assert local_sources(parse(library)) == {}
