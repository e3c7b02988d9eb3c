"""Names of series: what people call a case, and what tells it from the others."""

from __future__ import annotations

from bench.archive.case_series import CaseSeries
from reports.over_time.series_names import series_names
from tests.planted.planted_case_series import series

VGG = "vgg16/training/cuda/fp32/eager/nchw/b8/t2"


def names(*found: CaseSeries) -> list[str]:
    return list(series_names(found))


def test_one_case_is_called_as_people_call_it() -> None:
    assert names(series(case=VGG)) == ["VGG-16 training, batch 8"]


def test_only_axes_that_differ_are_named() -> None:
    bf16 = "vgg16/training/cuda/bf16/eager/channels-last/b8/t2"
    assert names(series(case=VGG), series(case=bf16)) == [
        "VGG-16 training, batch 8, fp32, nchw",
        "VGG-16 training, batch 8, bf16, channels-last",
    ]
    other = "alexnet/training/cuda/bf16/eager/nchw/b8/t2"
    assert names(series(case=VGG), series(case=other)) == [
        "VGG-16 training, batch 8",
        "AlexNet training, batch 8",
    ]


def test_kinds_and_networks_are_named_where_a_case_has_several() -> None:
    found = names(
        series(case=VGG),
        series(case=VGG, kind="NVIDIA H200"),
        series(case=VGG, kind="NVIDIA H200", fingerprint="0123456789"),
    )
    assert found == [
        "VGG-16 training, batch 8, H100",
        "VGG-16 training, batch 8, H200, network ffffff",
        "VGG-16 training, batch 8, H200, network 012345",
    ]


def test_kinds_whose_short_names_are_alike_keep_their_long_ones() -> None:
    kinds = ("NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB PCIe")
    found = names(*(series(case=VGG, kind=kind) for kind in kinds))
    assert found == [f"VGG-16 training, batch 8, {kind}" for kind in kinds]


def test_other_tools_cases_and_users_networks_keep_their_names() -> None:
    assert names(
        series(case="resnet50 @224", model="resnet50", origin="timm"),
        series(case="dir/nets.py:make/training/cuda/fp32/eager/nchw/b8/t2", model="dir/nets.py:make"),
    ) == ["resnet50 @224", "nets.py:make training, batch 8"]
