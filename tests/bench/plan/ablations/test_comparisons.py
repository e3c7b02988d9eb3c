"""What ablations compare: one decision at a time, each case once, at sizes that two cores finish."""

from __future__ import annotations

import pytest
from msgspec import structs

from bench.plan import ablations, estimate, feasibility, recipes
from bench.plan.ablations import ABLATIONS, Ablation, Comparison, Sizes
from bench.schema.case import Case
from models import catalogue
from models.arch import Arch, BatchNorm, Conv, Dropout, Layer, Pool, ResponseNorm
from models.errors import UserError

CPU = {"device": ("cpu",)}
ON_CPU, ON_GPU = ablations.sizes("small"), ablations.sizes("large")


def one(name: str, model: str = "vgg-small", at: Sizes = ON_CPU) -> Comparison:
    [ablation] = ablations.find(name, at, level="network", models=[model])
    [comparison] = ablation.comparisons
    return comparison


def timed(found: tuple[Ablation, ...], **given: tuple[str | int, ...]) -> list[Case]:
    return ablations.timed_cases(found, {**CPU, **given}, threads=2)


def trained(found: tuple[Ablation, ...], **overrides: str) -> list[Case]:
    return ablations.trained_cases(found, CPU, 2, overrides)


def arch(model: str) -> Arch:
    found = catalogue.arch_of(model)
    assert found is not None
    return found


def layers(model: str, kind: type[Layer]) -> list[Layer]:
    return [layer for layer in arch(model).layers if isinstance(layer, kind)]


@pytest.mark.parametrize("at", [ON_CPU, ON_GPU], ids=["cpu", "gpu"])
def test_every_form_is_another_network_or_another_recipe_than_its_base(at: Sizes) -> None:
    for ablation in ablations.find("all", at):
        for comparison in ablation.comparisons:
            looks = [(arch(form.model).layers, form.recipe) for form in comparison.forms]
            assert len(set(looks)) == len(looks) > 1, comparison
            assert comparison.timed or comparison.trained or at is ON_CPU, comparison


def test_what_a_cpu_compares_a_gpu_compares_too_so_that_one_reads_the_records_of_the_other() -> None:
    def pairs(at: Sizes) -> set[tuple[str, str, str]]:
        return {
            (ablation.name, comparison.base.model, form.model)
            for ablation in ablations.find("all", at)
            for comparison in ablation.comparisons
            if comparison.timed or comparison.trained
            for form in comparison.others
        }

    assert pairs(ON_CPU) <= pairs(ON_GPU)


@pytest.mark.parametrize(
    ("name", "base", "others"),
    [
        ("activation", "relu", ["tanh", "sigmoid"]),
        ("norm", "none", ["lrn", "bn"]),
        ("pooling", "2x2", ["overlapping", "average"]),
        ("dropout", "0.5", ["0"]),
        ("depth", "11", ["13", "16", "19"]),
        ("augmentation", "off", ["crop"]),
        ("init", "he", ["xavier", "kaiming", "normal"]),
    ],
)
def test_the_base_is_the_network_as_it_is(name: str, base: str, others: list[str]) -> None:
    comparison = one(name)
    assert (comparison.base.label, comparison.base.model) == (base, "vgg-small")
    assert [form.label for form in comparison.others] == others


def test_the_base_of_another_network_is_named_by_what_that_network_has() -> None:
    assert one("norm", "vgg11-bn").base.label == "bn"
    assert [form.label for form in one("norm", "vgg11-bn").others] == ["none", "lrn"]
    assert one("depth", "vgg16").base.label == "16"
    assert one("init", "lenet5").base.label == "xavier"
    assert one("dropout", "lenet5").base.label == "0"


def test_forms_are_what_their_labels_say() -> None:
    by_label = {
        form.label: form.model for name in ("norm", "pooling", "dropout") for form in one(name).others
    }
    for kind in (ResponseNorm, BatchNorm):
        assert not layers("vgg-small", kind)
    assert len(layers(by_label["lrn"], ResponseNorm)) == 1
    assert len(layers(by_label["bn"], BatchNorm)) == 8
    assert {pool.kernel for pool in layers(by_label["overlapping"], Pool) if isinstance(pool, Pool)} == {3}
    assert {pool.kind for pool in layers(by_label["average"], Pool) if isinstance(pool, Pool)} == {"avg"}
    assert len(layers("vgg-small", Dropout)) == 2
    assert not layers(by_label["0"], Dropout)


def test_depths_are_those_of_the_vgg_networks() -> None:
    convolutions = {form.label: len(layers(form.model, Conv)) for form in one("depth").forms}
    assert convolutions == {"11": 8, "13": 10, "16": 13, "19": 16}


def test_blocks_have_the_channels_and_on_a_cpu_a_quarter_of_the_resolution_of_the_five_stages() -> None:
    for at, sides in ((ON_CPU, [56, 28, 14, 7, 4]), (ON_GPU, [224, 112, 56, 28, 14])):
        found = ablations.find("kernels", at, level="block")
        cases = timed(found, batch=(8,), precision=("fp32",), engine=("eager",))
        places = {(case.channels, case.image) for case in cases}
        assert places == set(zip([64, 128, 256, 512, 512], sides, strict=True))
        assert {case.workload for case in cases} == {"training"}
        # 5x5, 7x7 and 11x11, the stack of each with and without ReLU, and one with a 1x1
        assert len(cases) == 5 * 10


def test_the_axes_of_a_gpu_are_batches_precisions_and_engines_in_full() -> None:
    found = ablations.find("kernels", ON_GPU, level="block")
    cases = ablations.timed_cases(found, {"device": ("cuda",)}, threads=2)
    seen = {(case.batch, case.precision, case.engine) for case in cases}
    assert seen == {
        (batch, precision, engine)
        for batch in (1, 16, 128)
        for precision in ("fp32", "tf32", "amp-bf16")
        for engine in ("eager", "compile")
    }
    assert len(cases) == 50 * len(seen)


def test_sides_of_a_comparison_are_timed_alike() -> None:
    for ablation in ablations.find("all", ON_CPU):
        for comparison in ablation.comparisons:
            cases = timed((structs.replace(ablation, comparisons=(comparison,)),))
            conditions = [
                {structs.replace(case, model="") for case in cases if case.model == form.model}
                for form in comparison.forms
            ]
            assert all(found == conditions[0] for found in conditions)


def test_forms_are_trained_as_the_base_is_but_for_the_decision() -> None:
    own = recipes.find("quick", "vgg-small+norm=bn").recipe
    for name in ABLATIONS:
        found = trained(ablations.find(name, ON_CPU, level="network"))
        base = found[0]
        assert base.task is not None
        for case in found[1:]:
            assert case.task is not None
            recipe = structs.asdict(case.task.recipe)
            different = {
                field for field, value in structs.asdict(base.task.recipe).items() if recipe[field] != value
            }
            expected = {"augmentation": {"name", "augment"}, "init": {"name", "init"}}.get(name, set())
            assert different == expected, name
            assert structs.replace(case, model="", task=None) == structs.replace(base, model="", task=None)
    assert own.epochs != recipes.find("quick", "vgg-small").recipe.epochs, (
        "the recipe prescribes bn as its own"
    )


def test_what_several_ablations_share_is_run_once() -> None:
    everything = ablations.find("all", ON_CPU)
    cases = [*timed(everything), *trained(everything)]
    assert len(set(cases)) == len(cases)
    plain = [case for case in cases if case.model == "vgg-small"]
    # inference and training timed; trained as it is, with crops, and from three other first weights
    assert len([case for case in plain if case.task is None]) == 2
    assert len([case for case in plain if case.task is not None]) == 1 + 1 + 3


def test_given_axes_stand_in_the_place_of_the_comparisons_own() -> None:
    found = ablations.find("kernels", ON_CPU)
    cases = timed(found, batch=(3,), image=(64,), precision=("bf16",))
    assert {(case.batch, case.image, case.precision) for case in cases} == {(3, 64, "bf16")}
    assert {case.task.recipe.epochs for case in trained(found, epochs="2") if case.task} == {2}


def test_replicate_one_of_everything_comes_before_replicate_two_of_anything() -> None:
    found = ablations.find("activation", ON_CPU)
    once, runs = timed(found), trained(found)
    planned = ablations.processes(once, runs, replicates=2, seeds=3)
    assert [case.replicate for case in planned] == sorted(case.replicate for case in planned)
    assert len(planned) == 2 * len(once) + 3 * len(runs)
    assert {case.replicate for case in planned if case.task} == {1, 2, 3}
    assert {case.replicate for case in planned if not case.task} == {1, 2}
    assert not [case for case in ablations.processes(once, runs, replicates=0, seeds=1) if not case.task]


def test_everything_is_done_in_45_minutes_on_two_cores() -> None:
    found = ablations.find("all", ON_CPU)
    planned = ablations.processes(timed(found), trained(found), ON_CPU.replicates, ON_CPU.seeds)
    assert 10 * 60 < estimate.estimate_seconds(planned, ON_CPU.protocol) < 45 * 60
    assert not [reason for case in planned if (reason := feasibility.why_impossible(case))]


def test_all_is_what_can_be_compared_of_the_given_networks() -> None:
    found = {ablation.name for ablation in ablations.find("all", ON_CPU, models=["lenet5"])}
    assert found == set(ABLATIONS) - {"depth"}
    assert not {
        comparison.level
        for each in ablations.find("all", ON_CPU, models=["lenet5"])
        for comparison in each.comparisons
    } - {"network"}


@pytest.mark.parametrize(
    ("name", "level", "models", "words"),
    [
        ("nrm", None, (), "Did you mean 'norm'"),
        ("norm", "blck", (), "Did you mean 'block'"),
        ("norm", "block", (), "--level block is for the ablation kernels, not for norm"),
        ("kernels", "block", ("vgg11",), "--level block takes no --model"),
        ("kernels", None, ("torchvision:vgg11",), "ablations need built-in networks"),
        ("depth", None, ("alexnet",), "alexnet has no other depth"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(
    name: str, level: str | None, models: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        ablations.find(name, ON_CPU, level=level, models=models)
