"""What was said of networks on several GPUs, by arithmetic and by planted runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from models import catalogue
from reports.claims import claims
from reports.claims.claim import judged
from reports.claims.evidence import Evidence
from reports.claims.several_gpus import (
    CARD_BYTES,
    device_bytes,
    exchanged,
    hybrid_pairs,
    judge_memory_of,
    seconds_of_2012,
)
from tests.planted.planted_claims import ON_CPU, ON_GPU, evidence, timed

DDP = Case(model="alexnet", workload="training", device="cuda", batch=128, threads=2, ranks=4, strategy="ddp")
HYBRID = structs.replace(DDP, strategy="hybrid-2014")


def test_maps_of_2012_are_exchanged_at_four_layers() -> None:
    """Half of 256 maps of 13 x 13, half of 9,216 features, half of 4,096 twice: forward, and backward as
    much, in fp32."""
    found = exchanged(catalogue.MODELS["alexnet-grouped"])
    assert list(found) == ["conv3", "linear1", "linear2", "linear3"]
    assert list(found.values()) == [2 * 4 * n for n in (128 * 13 * 13, 4608, 2048, 2048)]


def test_the_exchange_is_less_than_the_gradients() -> None:
    found = judged(claims()["two-gpu-exchange"], Evidence(setting=ON_CPU))
    assert found.verdict == "true"
    assert found.figure == pytest.approx(128 * 8 * 30336 / 2**20)
    assert "232.6 MiB of gradients" in found.reason


def test_the_exchange_is_judged_against_the_computation() -> None:
    """31.1 MB over 8 GB/s; 265 GFLOP on each card at 1.58 TFLOP/s."""
    sending, computing = seconds_of_2012(catalogue.MODELS["alexnet-grouped"])
    assert sending == pytest.approx(128 * 8 * 30336 / 8e9)
    assert computing == pytest.approx(0.167, rel=0.01)
    found = judged(claims()["two-gpu-exchange"], Evidence(setting=ON_CPU))
    assert "2.3% of the computation" in found.found


def test_memory_is_computed_at_once() -> None:
    """Of 60,965,224 weights three copies, and 1,934,440 outputs an image; at most gradients of these and
    images of 3 x 227 x 227."""
    least, most = device_bytes(catalogue.MODELS["alexnet-grouped"], 128)
    assert least == 4 * (3 * 60_965_224 + 128 * 1_934_440)
    assert most == least + 4 * 128 * (1_934_440 + 3 * 227 * 227)
    found = judged(claims()["two-gpu-memory"], Evidence(setting=ON_CPU))
    assert found.verdict == "false"
    assert found.figure == pytest.approx(most / 2**30)


@pytest.mark.parametrize(
    ("least", "most", "verdict"),
    [
        (CARD_BYTES // 2, CARD_BYTES, "false"),
        (CARD_BYTES // 2, CARD_BYTES + 1, "depends"),
        (CARD_BYTES + 1, CARD_BYTES + 2, "true"),
        (CARD_BYTES + 1, 2 * CARD_BYTES + 1, "depends"),
    ],
)
def test_whether_one_card_or_two_hold_it(least: int, most: int, verdict: str) -> None:
    """What a step needs at least fits: that alone refutes nothing."""
    assert judge_memory_of(least, most).verdict == verdict


def test_errors_on_imagenet_are_cited() -> None:
    assert judged(claims()["two-gpu-error"], Evidence(setting=ON_CPU)).verdict == "cited"


def test_the_hybrid_needs_gpus() -> None:
    found = judged(claims()["one-weird-trick"], Evidence(setting=ON_CPU))
    assert (found.verdict, found.need) == ("not tested", "a GPU")


@pytest.mark.parametrize(("seconds", "verdict"), [(0.8, "true"), (1.2, "false"), (1.0, "undecided")])
def test_the_hybrid_is_judged_by_runs_of_scale(tmp_path: Path, seconds: float, verdict: str) -> None:
    found = judged(
        claims()["one-weird-trick"],
        evidence(tmp_path, [*timed(DDP, 1.0), *timed(HYBRID, seconds)], ON_GPU),
    )
    assert found.verdict == verdict


def test_only_equal_jobs_are_a_pair() -> None:
    other = structs.replace(DDP, ranks=2)
    assert list(hybrid_pairs([DDP, other, HYBRID])) == [(DDP, HYBRID)]
    assert list(hybrid_pairs([other, HYBRID])) == []
