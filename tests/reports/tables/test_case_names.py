"""Names of networks and cases, as a report's sentences and tables have them."""

from __future__ import annotations

import pytest

from bench.plan import recipes
from bench.schema.case import Case
from bench.schema.training_task import TrainingTask
from models.catalogue import MODELS
from reports.tables.case_names import case_name, network_name


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("lenet5", "LeNet-5"),
        ("alexnet", "AlexNet"),
        ("alexnet-grouped", "AlexNet-grouped"),
        ("alexnet-96", "AlexNet-96"),
        ("vgg16", "VGG-16"),
        ("vgg16-bn", "VGG-16-BN"),
        ("vgg11-lrn", "VGG-11-LRN"),
        ("vgg16-c", "VGG-16-C"),
        ("vgg-small", "VGG-small"),
        ("vgg13+kernel=5x5", "VGG-13 with kernel=5x5"),
        ("vgg13+norm=batch+pool=avg", "VGG-13 with norm=batch and pool=avg"),
        ("torchvision:vgg16", "torchvision:vgg16"),
        ("/home/me/nets/wide.py:build(width=2)", "wide.py:build(width=2)"),
    ],
)
def test_network_name(model: str, name: str) -> None:
    """The papers' spelling; what is not of the catalogue stays recognizable."""
    assert network_name(model) == name


def test_no_two_networks_of_the_catalogue_share_a_name() -> None:
    """A table may name networks alone."""
    assert len({network_name(model) for model in MODELS}) == len(MODELS)


def test_case_name_says_network_workload_and_batch() -> None:
    """Precision, engine and threads are columns or captions."""
    assert case_name(Case(model="vgg16", workload="training", batch=8)) == "VGG-16 training, batch 8"
    assert case_name(Case(model="lenet5")) == "LeNet-5 inference, batch 1"


def test_case_name_of_training_runs_and_ceilings() -> None:
    """What has no batch worth naming says what it is of."""
    task = TrainingTask(dataset="digits", recipe=recipes.find("quick", "lenet5").recipe)
    learned = Case(model="lenet5", workload="accuracy", task=task)
    assert case_name(learned) == "LeNet-5 trained on digits, recipe quick"
    assert case_name(Case(model="ceilings", workload="ceiling", precision="bf16")) == "peak of cpu in bf16"
