"""A run that goes on: refused with another network before anything is measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import pytest
from msgspec import structs
from torch import nn

from bench.child.identity import identify
from bench.forkserver.client import Server
from bench.probes.fingerprinting import fingerprint
from bench.runner import resumed_networks
from bench.runner.resumed_networks import refuse_changed
from bench.schema import job
from bench.schema.case import Case
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.store import Store
from bench.studies.ab import interleaved
from models.errors import UserError
from tests.planted import planted_records

NET = """
from torch import nn
def build(): return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.LazyLinear(10))
"""
NONE = cast(Server, None)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions to a child, which this process answers itself."""
    questions: list[str] = []

    def answer(question: str, argument: bytes, *_: object) -> bytes:
        questions.append(question)
        return identify(argument)

    monkeypatch.setattr(resumed_networks, "ask_child", answer)
    return questions


@pytest.fixture
def begun(tmp_path: Path, asked: list[str]) -> Callable[[str], tuple[Store, Case]]:
    """A run whose only record is of the network in this source."""

    def make(source: str) -> tuple[Store, Case]:
        (tmp_path / "net.py").write_text(source)
        case = Case(model=f"{tmp_path}/net.py:build", image=16, classes=10, batch=8)
        (fingerprint,) = msgspec.json.decode(identify(job.encode([case])), type=list[NetworkFingerprint])
        record = planted_records.record(case, planted_records.time("forward", 0.1))
        store = Store.create(tmp_path / "run")
        store.append(structs.replace(record, fingerprint=fingerprint))
        return store, case

    return make


def test_another_network_is_refused_with_what_differs_and_where(
    begun: Callable[[str], tuple[Store, Case]], tmp_path: Path
) -> None:
    store, case = begun(NET)
    before = store.path.read_bytes()
    (tmp_path / "net.py").write_text(NET.replace("8, 3)", "16, 3)"))
    with store, pytest.raises(UserError, match=r"is no longer the one in .*run \(before / now: ") as raised:
        refuse_changed(store, [structs.replace(case, batch=32, replicate=2)], NONE)
    # (3 x 9 + 1) x width, then 14 x 14 x width x 10 and 10 biases
    assert "parameters 15,914 / 31,818" in str(raised.value)
    assert "0 is Conv2d(3, 8, " in str(raised.value)
    assert "\n" not in str(raised.value)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize(
    "edited",
    [NET, NET + "# why 8 filters\n", "def build(): raise ValueError"],
    ids=["same", "comment", "broken"],
)
def test_the_same_network_goes_on_and_a_broken_one_has_its_own_process_to_say_so(
    begun: Callable[[str], tuple[Store, Case]], tmp_path: Path, edited: str
) -> None:
    store, case = begun(NET)
    (tmp_path / "net.py").write_text(edited)
    with store:
        refuse_changed(store, [case], NONE)


def test_another_image_and_records_of_before_are_not_asked_about(
    begun: Callable[[str], tuple[Store, Case]], asked: list[str]
) -> None:
    store, case = begun(NET)
    with store:
        refuse_changed(store, [structs.replace(case, image=32)], NONE)
        old = structs.replace(case, model="lenet5", image=28, channels=1)
        store.append(planted_records.record(old, planted_records.time("forward", 0.1)))
        refuse_changed(store, [old], NONE)
    assert asked == []


def test_a_side_of_pairs_is_one_network_from_the_first_pair_on() -> None:
    relu, tanh = (fingerprint(nn.Sequential(nn.Linear(2, 2), each)) for each in (nn.ReLU(), nn.Tanh()))
    records = [
        structs.replace(
            planted_records.record(Case(model="net.py:build", replicate=pair)), fingerprint=network
        )
        for pair, network in ((1, relu), (2, relu), (3, tanh))
    ]
    known: dict[tuple[int, Case], NetworkFingerprint] = {}
    for record in records[:2]:
        interleaved._refuse_edited(known, [record, record])
    words = "no longer that of the first pair on side b (before / now: first difference: 1 is ReLU / Tanh"
    with pytest.raises(UserError, match=re.escape(words)):
        interleaved._refuse_edited(known, [records[0], records[2]])
