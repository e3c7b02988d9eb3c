"""A command line becomes training runs: which, in which order, with which data and seeds."""

from __future__ import annotations

from typing import Any

import pytest

from bench import devices
from bench.plan import feasibility
from bench.plan.training_runs import TrainingRequest, cases
from bench.schema.case import Case
from bench.schema.training_task import Recipe, TrainingTask
from models.errors import UserError

CPU = {"device": ("cpu",)}


def wished(*models: str, axes: Any = None, **fields: Any) -> list[Case]:
    return cases(TrainingRequest(axes={"model": models, **CPU, **(axes or {})}, **fields), threads=3)


def test_a_case_is_what_the_recipe_and_the_dataset_say() -> None:
    (found,) = wished("lenet5", recipe="textbook", target=0.9, deterministic=True, seed=7)
    assert found == Case(
        model="lenet5",
        workload="accuracy",
        device="cpu",
        precision="fp32",
        engine="eager",
        layout="nchw",
        batch=128,
        image=28,
        channels=1,
        classes=10,
        threads=3,
        seed=7,
        replicate=1,
        task=TrainingTask(
            dataset="digits",
            recipe=Recipe(name="textbook", epochs=10, lr=0.1),
            target=0.9,
            deterministic=True,
        ),
    )


def test_each_network_has_its_own_recipe_and_what_is_set_holds_for_all() -> None:
    found = wished("lenet5", "vgg11", recipe="textbook", overrides={"epochs": "3", "lr": "0.05"})
    tasks = {case.model: case.task.recipe for case in found if case.task}
    assert {model: recipe.lr for model, recipe in tasks.items()} == {"lenet5": 0.05, "vgg11": 0.05}
    assert {recipe.epochs for recipe in tasks.values()} == {3}
    assert tasks["lenet5"].name == "textbook+epochs=3+lr=0.05"
    assert tasks["vgg11"].name == "textbook+epochs=3"
    assert {case.model: case.image for case in found} == {"lenet5": 28, "vgg11": 224}


def test_axes_are_a_product_and_stand_in_the_recipes_place() -> None:
    axes = {
        "precision": ("fp32", "bf16"),
        "engine": ("eager", "compile"),
        "batch": (8, 16),
        "image": (32,),
        "layout": ("channels-last",),
    }
    found = wished("lenet5", "vgg11", axes=axes)
    assert len(found) == len(set(found)) == 2 * 2 * 2 * 2
    assert {(case.image, case.layout, case.threads) for case in found} == {(32, "channels-last", 3)}
    assert {case.batch for case in found} == {8, 16}


def test_the_first_seed_of_every_case_comes_before_the_second_of_any() -> None:
    found = wished("lenet5", "vgg11", "vgg-small", seeds=3, seed=10)
    assert [case.replicate for case in found] == [1] * 3 + [2] * 3 + [3] * 3
    assert all(case.learning_seed == 10 + case.replicate - 1 for case in found)
    assert {case.seed for case in found} == {10}
    rounds = [{case.model for case in found[start : start + 3]} for start in (0, 3, 6)]
    assert rounds == [{"lenet5", "vgg11", "vgg-small"}] * 3
    assert found == wished("lenet5", "vgg11", "vgg-small", seeds=3, seed=10), "a resumed run finds its order"


@pytest.mark.parametrize(("present", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_the_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, present: bool, device: str
) -> None:
    monkeypatch.setattr(devices, "auto", lambda: "cuda" if present else "cpu")
    assert [case.device for case in cases(TrainingRequest(axes={"model": ("lenet5",)}), 1)] == [device]
    both = cases(TrainingRequest(axes={"model": ("lenet5",), "device": ("auto", "cpu")}), 1)
    assert sorted(case.device for case in both) == sorted({device, "cpu"})


@pytest.mark.parametrize(
    ("model", "dataset", "channels"),
    [
        ("lenet5", "digits", 1),
        ("lenet5", "cifar10", 3),
        ("torchvision:resnet18", "digits", 3),
        ("torchvision:resnet18", "cifar10", 3),
        ("torchvision:resnet18", "fashion-mnist", 3),
        ("examples/tiny.py:build", "digits", 1),
    ],
)
def test_channels_are_the_datasets_but_for_networks_that_take_three(
    model: str, dataset: str, channels: int
) -> None:
    (found,) = wished(model, dataset=dataset)
    assert (found.channels, found.classes) == (channels, 10)


def test_noise_has_no_target() -> None:
    with pytest.raises(UserError, match="--target needs a dataset with labels"):
        wished("lenet5", dataset="synthetic", target=0.5)
    assert len(wished("lenet5", dataset="synthetic")) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dataset": "digit"}, "unknown dataset 'digit'. Did you mean 'digits'"),
        ({"recipe": "quik"}, "unknown recipe 'quik'. Did you mean 'quick'"),
        ({"overrides": {"lr": "fast"}}, "lr must be a number above 0"),
        ({"overrides": {"depth": "3"}}, "unknown recipe field 'depth'"),
    ],
)
def test_what_does_not_exist_is_a_sentence(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        wished("lenet5", **fields)
    assert words in str(error.value)


def test_a_plan_is_impossible_when_nothing_of_it_can_be() -> None:
    small = {"image": (8,)}
    with pytest.raises(
        UserError, match="the case cannot run on this machine: vgg11 cannot take images of 8x8"
    ):
        feasibility.refuse_impossible(wished("vgg11", axes=small))
    feasibility.refuse_impossible(wished("vgg11", "examples/tiny.py:build", axes=small))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_replayed_graph_trains_nothing(device: str) -> None:
    (case,) = wished("lenet5", axes={"engine": ("cudagraph",), "device": (device,)})
    assert (
        feasibility.why_impossible(case) == "cudagraph replays one step on the same images and cannot train"
    )


def test_no_name_leaves_its_folder() -> None:
    models = ("../../nets/../evil.py:make", "/etc/passwd.py:make", "a.py:b", "a.py:c")
    names = [
        Case(model=model, task=TrainingTask(dataset="../x", recipe=Recipe(name="../../y", epochs=1, lr=1)))
        for model in models
    ]
    files = {case.file_name for case in names}
    assert len(files) == len(models)
    for name in files:
        assert "/" not in name
        assert not name.startswith((".", "-"))
        assert len(name) < 200
