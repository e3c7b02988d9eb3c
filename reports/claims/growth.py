"""The claim that networks grew from LeNet-5 to AlexNet: the growth is a fact, what it gains is trained."""

from __future__ import annotations

from msgspec import Struct, structs

from bench.plan import ablations, training_runs
from bench.schema.case import Case
from models import catalogue
from models.arch import Activation, Arch, Conv, Dropout, Linear, kind
from reports.analysis.learned import ACCURACY_KEY, Learned
from reports.claims.claim import Claim, ClaimWord, Judgement, replicated, statement
from reports.claims.evidence import Evidence, Setting
from reports.claims.trained_pairs import OF_TWO_MACHINES, both_of, compared, judge_difference, trained_on


def _lenet_and_alexnet(setting: Setting) -> tuple[Case, Case]:
    axes = {"model": ("lenet5", "alexnet"), "device": (setting.device,)}
    request = training_runs.TrainingRequest(axes=axes, dataset=ablations.DATASET, recipe=ablations.RECIPE)
    found = {case.model: case for case in training_runs.cases(request, setting.threads)}
    return found["lenet5"], found["alexnet"]


class Growth(Struct, frozen=True):
    """What the textbook says grew."""

    layers: int
    image: int
    activations: tuple[str, ...]
    dropout: float


def growth_of(arch: Arch) -> Growth:
    """Layers with weights, side of the image, activations, the largest dropout."""
    activations = dict.fromkeys(kind(layer) for layer in arch.layers if isinstance(layer, Activation))
    return Growth(
        layers=sum(isinstance(layer, Conv | Linear) for layer in arch.layers),
        image=arch.image,
        activations=tuple(activations),
        dropout=max((layer.p for layer in arch.layers if isinstance(layer, Dropout)), default=0.0),
    )


def _lenet_alexnet(evidence: Evidence) -> Judgement:
    both = both_of(_lenet_and_alexnet(evidence.setting), evidence)
    return judge_growth(*both) if both else OF_TWO_MACHINES


def judge_growth(lenet: Learned, alexnet: Learned) -> Judgement:
    """That all grew is a fact; whether it gains accuracy depends on the data, here digits.

    true: it gains. depends: it gains nothing on these data. undecided: the interval allows both.
    """
    small, large = (growth_of(catalogue.MODELS[model]) for model in ("lenet5", "alexnet-grouped"))
    grew = (
        large.layers > small.layers
        and large.image > small.image
        and large.dropout > small.dropout
        and large.activations != small.activations
    )
    facts = (
        f"From LeNet-5 to AlexNet: {small.layers} to {large.layers} layers with weights, {small.image} to "
        f"{large.image} pixels, {', '.join(small.activations)} to {', '.join(large.activations)}, dropout "
        f"{small.dropout:g} to {large.dropout:g}."
    )
    found = compared(lenet, alexnet)
    words = (
        f"{facts} So all grew. What that gains depends on the data, and these are small and simple. Trained: "
        f"torchvision's single tower {trained_on(alexnet, alexnet)} and LeNet-5 "
        f"{trained_on(lenet, lenet)}, each by its own recipe, so more than the network "
        f"differs. Test accuracy: LeNet-5 {_percent(lenet)}, AlexNet {_percent(alexnet)}."
    )
    judgement = judge_difference(found, "higher", "points of test accuracy", words)
    verdict: ClaimWord = "depends" if judgement.verdict == "false" else judgement.verdict
    return structs.replace(judgement, verdict=verdict if grew else "false")


def _percent(run: Learned) -> str:
    found = run.figures.get(ACCURACY_KEY)
    return f"{100 * found.median:.1f}%" if found else "none"


CLAIMS = (
    Claim(
        said=statement("lenet-alexnet"),
        needs=lambda setting: replicated(list(_lenet_and_alexnet(setting)), setting.seeds),
        judge=_lenet_alexnet,
    ),
)
