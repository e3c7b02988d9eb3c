"""Which network a name stands for, as a child says it before a run goes on and in every record."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.child.identity import identify
from bench.schema.case import Case
from bench.schema.network_fingerprint import NetworkFingerprint, difference, same_network

NET = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 3, 3, 3))
        self.fc = nn.Linear(8, 10)
    def forward(self, x):
        return self.fc(F.conv2d(x, self.weight, padding=1).mean((2, 3)))

def build():
    return Net()
"""


def told(*cases: Case) -> list[NetworkFingerprint | None]:
    return msgspec.json.decode(identify(msgspec.json.encode(cases)), type=list[NetworkFingerprint | None])


def net(folder: Path, source: str, workload: str = "inference") -> NetworkFingerprint:
    (folder / "net.py").write_text(source)
    case = Case(model=f"{folder}/net.py:build", image=16, classes=10, batch=8)
    (found,) = told(msgspec.structs.replace(case, workload=workload))
    assert found is not None
    return found


def test_an_edit_of_a_user_s_file_is_seen_where_it_changes_the_network(tmp_path: Path) -> None:
    first = net(tmp_path, NET)
    assert (first.parameters, first.modules) == (306, 2)
    assert first.flops == 2 * 8 * (16 * 16 * 8 * 27 + 80)
    assert [source.path for source in first.sources] == ["net.py"]
    strided = net(tmp_path, NET.replace("padding=1", "padding=1, stride=2"))
    assert strided.flops == 2 * 8 * (8 * 8 * 8 * 27 + 80)
    assert not same_network(first, strided)
    assert difference(first, strided) == "FLOPs forward 886,016 / 222,464"
    commented = net(tmp_path, NET + "# a comment\n")
    assert same_network(first, commented)
    assert commented.sources != first.sources
    assert same_network(first, net(tmp_path, NET, "training"))


def test_networks_of_ours_and_of_libraries_have_no_source_and_a_broken_file_no_fingerprint(
    tmp_path: Path,
) -> None:
    (tmp_path / "net.py").write_text("def build(): raise ValueError('not today')")
    lenet = Case(model="lenet5", image=28, channels=1, classes=10)
    ours, theirs, broken = told(
        lenet, Case(model="torchvision:squeezenet1_1"), Case(model=f"{tmp_path}/net.py:build")
    )
    assert ours is not None
    assert theirs is not None
    assert (ours.parameters, ours.sources) == (61_706, ())
    assert (theirs.parameters, theirs.sources) == (1_235_496, ())
    assert broken is None
