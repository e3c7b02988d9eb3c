"""The cost of networks as tables and JSON."""

from __future__ import annotations

import json

import pytest
from msgspec import structs

from bench.schema.counts import CostEntry, CountRequest, CountResult
from models.catalogue import MODELS
from models.closed_form import cost
from reports.pages.cost_report import as_json, document
from tests.planted.shown_cells import rows_of

FIELDS = [
    "model",
    "image",
    "channels",
    "input",
    "classes",
    "batch",
    "parameters",
    "parameters_conv",
    "parameters_linear",
    "macs",
    "macs_conv",
    "macs_linear",
    "macs_attention",
    "macs_other",
    "flops_forward",
    "flops_backward",
    "activations",
    "flops_fvcore",
    "flops_torch_forward",
    "flops_torch_backward",
]


def entry(name: str, *, batch: int = 1, classes: int | None = None) -> CostEntry:
    closed = cost(MODELS[name], batch=batch, classes=classes)
    request = CountRequest(
        model=name, channels=closed.channels, image=closed.image, classes=closed.classes, batch=batch
    )
    return CostEntry(
        closed,
        CountResult(
            request=request,
            flops_fvcore=closed.flops_forward,
            flops_torch_forward=closed.flops_forward,
            flops_torch_backward=closed.flops_backward,
            uncompared={"fvcore batch_norm": 1234},
        ),
    )


def test_json_has_the_fields_and_figures() -> None:
    fields = json.loads(json.dumps(as_json(entry("lenet5", batch=2), layers=True)))
    assert list(fields)[: len(FIELDS)] == FIELDS
    conv, linear = 2 * (4704 + 1600), 2 * (120 + 84 + 10)
    assert fields["macs"] == 2 * 416_520
    assert fields["flops_forward"] == fields["flops_fvcore"] == 4 * 416_520
    assert fields["activations"] == conv + linear
    assert (fields["parameters_conv"], fields["parameters_linear"]) == (2_572, 59_134)
    assert fields["counts_agree"] is True
    assert fields["layers"][0] == {
        "name": "conv1",
        "kind": "conv",
        "window": "5x5",
        "output_shape": [6, 28, 28],
        "receptive_field": 5,
        "jump": 1.0,
        "parameters": 156,
        "macs": 235_200,
        "flops_forward": 470_400,
        "flops_backward": 470_400,
        "activations": 9_408,
        "bytes": 4 * (156 + 9_408),
    }


def test_json_without_counts_says_so() -> None:
    fields = as_json(CostEntry(cost(MODELS["vgg11"])))
    assert fields["flops_fvcore"] is fields["counts_agree"] is None
    assert "layers" not in fields


def test_the_comparison_has_the_textbooks_columns() -> None:
    table = document([entry("alexnet-grouped"), entry("vgg16")]).tables[0]
    alexnet, vgg = rows_of(table)
    assert (alexnet["convolutions"], alexnet["linear layers"]) == (5, 3)
    assert alexnet["filters"] == "11x11/4, 5x5, 3x3"
    assert alexnet["in convolutions"] == "2,334,080 (3.8%)"
    assert vgg["in linear layers"] == "123,642,856 (89.4%)"
    assert vgg["GMACs"] == 15.47
    assert alexnet["top-5 error, %"] == "15.3 (a)"
    assert vgg["top-5 error, %"] == "7.3 (b), 9.6 (c)"
    assert [note[:14] for note in table.notes] == ["(a) Krizhevsky", "(b) Simonyan &", "(c) torchvision"[:14]]


def test_an_error_is_published_for_one_input_only() -> None:
    table = document([entry("vgg16", classes=10)]).tables[0]
    assert table.rows[0][-1] is None
    assert table.notes == ()


def test_counts_and_their_disagreements_are_shown() -> None:
    good = entry("vgg11")
    assert good.counts is not None
    bad = CostEntry(good.cost, structs.replace(good.counts, disagreements=("fvcore counts 1",)))
    table = document([good, bad]).tables[2]
    assert [row[-1] for row in table.rows] == ["yes", "no"]
    assert table.notes == (
        "vgg11: counted by one of the three only: fvcore batch_norm 1,234.",
        "vgg11: fvcore counts 1.",
        "vgg11: counted by one of the three only: fvcore batch_norm 1,234.",
    )


def test_layers_are_a_table_for_each_network_and_a_row_for_each_layer() -> None:
    whole = document([entry("lenet5"), entry("vgg11")], layers=True)
    assert [table.title for table in whole.tables[:2]] == [
        "LeNet-5, batch 1 of 1x28x28: layers",
        "VGG-11, batch 1 of 3x224x224: layers",
    ]
    assert whole.whole
    assert len(whole.rows) == len(MODELS["lenet5"].layers) + len(MODELS["vgg11"].layers)
    for table in whole.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert len(document([entry("lenet5")]).rows) == 1


def test_a_headline_says_where_the_parameters_are_and_what_a_forward_pass_computes() -> None:
    told = document([entry("vgg16")]).answer
    assert told is not None
    assert told.headlines == (
        "VGG-16, 3x224x224, batch 1: 138,357,544 parameters, 89% in linear layers; 15.5 GMACs forward.",
        "convbench, fvcore and torch count the same FLOPs.",
    )
    assert told.table is not None
    row = rows_of(told.table)[0]
    assert (row["GMACs"], row["GFLOPs forward"]) == pytest.approx((15.47, 30.94), rel=1e-3)
    assert not told.alarms


def test_small_networks_have_a_small_unit() -> None:
    told = document([entry("lenet5")]).answer
    assert told is not None
    assert told.headlines[0].endswith("; 0.417 MMACs forward.")


def test_counts_that_were_not_made_or_differ_are_not_called_the_same() -> None:
    uncounted = document([CostEntry(cost(MODELS["vgg11"]))]).answer
    good = entry("vgg11")
    assert good.counts is not None
    bad = CostEntry(good.cost, structs.replace(good.counts, disagreements=("fvcore counts 1",)))
    differing = document([good, bad]).answer
    assert uncounted is not None
    assert differing is not None
    for told in (uncounted, differing):
        assert not any("same FLOPs" in line for line in told.headlines)
    assert differing.alarms == (
        "The counts of VGG-11 differ between convbench and a library (--section counts).",
    )
