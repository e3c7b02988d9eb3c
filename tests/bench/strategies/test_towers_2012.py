"""What the two towers of AlexNet send each other, by arithmetic."""

from __future__ import annotations

from bench.schema.case import Case
from bench.schema.ranks import bus_factor
from bench.strategies.towers_2012 import sent_by
from models.alexnet import ALEXNET_TOWERS

CASE = Case(model="alexnet-towers", workload="training", image=227, ranks=2, strategy="towers-2012")


def test_a_tower_sends_its_maps_at_conv3_and_at_each_linear_layer() -> None:
    """Per image and rank in fp32: half of conv2's 256x13x13, of conv5's 256x6x6, of both hidden layers; the
    gradients of the same go back, and of the 1,000 scores half goes one way."""
    found = {
        each.what: each.message_bytes * bus_factor(each.collective, 2)
        for each in sent_by(ALEXNET_TOWERS, CASE, element=4)
    }
    maps = {"conv3": 128 * 13 * 13, "linear1": 128 * 6 * 6, "linear2": 2048, "linear3": 2048}
    assert found == {
        **{f"feature maps into {name}": 4 * elements for name, elements in maps.items()},
        **{f"gradients of the maps into {name}": 4 * elements for name, elements in maps.items()},
        "scores": 4 * 500,
    }
