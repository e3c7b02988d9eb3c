"""`convbench list models --library`: what other libraries publish."""

from __future__ import annotations

import json

import pytest

from bench import devices
from bench.plan import expand, named_suites
from models import libraries
from models.errors import UserError
from models.libraries import LibraryNetwork
from reports.pages.catalogue_report import catalogue_text


def test_networks_of_torchvision_that_can_be_measured_with_their_published_sizes() -> None:
    rows = {row["name"]: row for row in json.loads(catalogue_text("all", "json", "torchvision"))["rows"]}
    assert rows["torchvision:inception_v3"] == {
        "list": "models",
        "name": "torchvision:inception_v3",
        "kind": "classification",
        "image": 299,
        "channels": 3,
        "classes": 1000,
        "parameters": 27_161_264,
        "GMACs": 5.713,
    }
    assert rows["torchvision:fcn_resnet50"]["kind"] == "segmentation"
    assert "torchvision:fasterrcnn_resnet50_fpn" not in rows


def test_what_a_library_does_not_say_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "timm_networks", lambda: {"a.b": LibraryNetwork(name="a.b", image=160)})
    (row,) = json.loads(catalogue_text("models", "json", "timm"))["rows"]
    assert (row["name"], row["image"], row["parameters"]) == ("timm:a.b", 160, None)


@pytest.mark.parametrize(
    ("what", "library", "words"),
    [
        ("models", "keras", "unknown library 'keras'. Accepted: torchvision, timm"),
        ("axes", "timm", "--library applies to models only"),
        ("models", "timm", r"timm is not installed: pip install 'convbench\[timm\]'"),
    ],
)
def test_what_is_no_list_of_a_library(
    monkeypatch: pytest.MonkeyPatch, what: str, library: str, words: str
) -> None:
    monkeypatch.setattr(libraries, "timm_networks", dict)
    with pytest.raises(UserError, match=words):
        catalogue_text(what, "json", library)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_suites_have_as_many_cases_as_a_run_of_them(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    """On a GPU a suite has cases on the CPU too."""
    monkeypatch.setattr(devices, "auto", lambda: device)
    rows = {row["name"]: row for row in json.loads(catalogue_text("suites", "json"))["rows"]}
    for name in named_suites.SUITES:
        suite = named_suites.find(name, device)
        assert rows[name]["cases"] == len(expand.cases(suite, {}, threads=1))
    for name in ("quick", "standard"):
        assert rows[name]["processes"] == "2 to 10, until ±5%"
    assert rows["full"]["processes"] == "10"
