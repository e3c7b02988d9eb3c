"""Claims about sizes and shapes, which the closed form settles to the last unit."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from models import catalogue, kernel_stacks
from models.blocks import block, block_name
from models.closed_form import Cost, cost
from reports.claims.claim import Claim, ClaimWord, Judgement, statement

ABOUT = 0.05
"""How far from a figure a textbook may be where it says "about"; else it must be rounded rightly."""
RULE = "A printed figure is true if it is correctly rounded; after 'about', if it is within 5%."
WIDTH = 64
"""Channels of the blocks whose windows are computed: any would do."""


class QuotedFigure(Struct, frozen=True):
    """A textbook figure and the exact one, both in the unit of the last `digit` that is printed."""

    what: str
    said: float
    exact: float
    digit: float
    about: bool = False

    @property
    def is_rounded(self) -> bool:
        """Whether rounding the exact figure gives the printed one."""
        return abs(self.exact - self.said) <= self.digit / 2

    @property
    def holds(self) -> bool:
        return self.is_rounded or (self.about and abs(self.exact - self.said) <= ABOUT * self.said)

    def __str__(self) -> str:
        return f"{self.what} {self.exact:,.10g} (said: {self.said:,.10g})"


def verdict_of(figures: Sequence[QuotedFigure]) -> ClaimWord:
    """All must hold; where only some do it depends on which."""
    holding = sum(figure.holds for figure in figures)
    if holding == len(figures):
        return "true"
    return "depends" if holding else "false"


def _remark(figures: Sequence[QuotedFigure]) -> str:
    loose = [figure for figure in figures if not figure.is_rounded]
    words = "; ".join(map(str, loose))
    return f" Not correctly rounded: {words}." if loose else ""


def cost_of(model: str) -> Cost:
    """With the network's own input."""
    return cost(catalogue.MODELS[model])


def _alexnet_parameters() -> Judgement:
    total = cost_of("alexnet-grouped")
    parts = total.parameters_conv, total.parameters_linear
    figures = [
        QuotedFigure("parameters", 60.9e6, total.parameters, 0.1e6, about=True),
        QuotedFigure("in convolutions", 2.3e6, parts[0], 0.1e6, about=True),
        QuotedFigure("in linear layers", 58.6e6, parts[1], 0.1e6),
        QuotedFigure("share of convolutions (%)", 4, 100 * parts[0] / total.parameters, 1),
        QuotedFigure("share of linear layers (%)", 96, 100 * parts[1] / total.parameters, 1),
    ]
    one_tower, small = cost_of("alexnet").parameters, cost_of("alexnet-96").parameters
    return Judgement(
        verdict=verdict_of(figures),
        figure=float(total.parameters),
        unit="parameters",
        found=f"{total.parameters:,} parameters",
        reason=(
            f"The two-tower network of 2012 has {total.parameters:,} parameters: {parts[0]:,} in "
            f"convolutions and {parts[1]:,} in linear layers.{_remark(figures)} 60.9 is the sum of the two "
            f"rounded parts. Other networks called AlexNet differ: torchvision's single tower has "
            f"{one_tower:,}, and the textbook's network, with one channel and ten classes, {small:,}. {RULE}"
        ),
    )


def _vgg_parameters() -> Judgement:
    said = {"vgg11": (133e6, 8), "vgg13": (133e6, 10), "vgg16": (138e6, 13), "vgg19": (144e6, 16)}
    totals = {model: cost_of(model) for model in said}
    figures = []
    for model, (parameters, convolutions) in said.items():
        found = sum(layer.kind == "conv" for layer in totals[model].layers)
        figures.append(QuotedFigure(f"parameters of {model}", parameters, totals[model].parameters, 1e6))
        figures.append(QuotedFigure(f"convolutions of {model}", convolutions, found, 1))
    listed = ", ".join(f"{model} {total.parameters:,}" for model, total in totals.items())
    apart = totals["vgg13"].parameters - totals["vgg11"].parameters
    return Judgement(
        verdict=verdict_of(figures),
        figure=float(totals["vgg16"].parameters),
        unit="parameters of VGG-16",
        found=f"{totals['vgg11'].parameters:,} to {totals['vgg19'].parameters:,}",
        reason=(
            f"Exact counts: {listed}.{_remark(figures)} VGG-11 and VGG-13 both round to 133 million but "
            f"differ: the two additional convolutions of VGG-13 hold {apart:,}. {RULE}"
        ),
    )


def spatial(total: Cost, kinds: Sequence[str] = ("conv", "maxpool")) -> list[str]:
    """`54x54x96`: height, width and channels of each layer of these kinds."""
    shapes = (layer.output_shape for layer in total.layers if layer.kind in kinds)
    return [f"{height}x{width}x{channels}" for channels, height, width in shapes]


def features(total: Cost) -> int:
    """What comes into the first linear layer, for one image."""
    return next(layer.output_shape[0] for layer in total.layers if layer.kind == "flatten")


def _alexnet_shapes() -> Judgement:
    said = [
        "54x54x96",
        "26x26x96",
        "26x26x256",
        "12x12x256",
        "12x12x384",
        "12x12x384",
        "12x12x256",
        "5x5x256",
    ]
    total = cost_of("alexnet-96")
    found, count = spatial(total), features(total)
    right = found == said and count == 6400
    others = ", ".join(
        f"{model} ends in {spatial(cost_of(model))[-1]} and {features(cost_of(model)):,} features"
        for model in ("alexnet", "alexnet-grouped")
    )
    return Judgement(
        verdict="true" if right else "false",
        figure=float(count),
        unit="features",
        found=f"{found[-1]} = {count:,} features",
        reason=(
            f"The textbook's one-tower network gives {', '.join(found)} and {count:,} features. "
            f"This follows from its padding of 1 at the first convolution: {others}."
        ),
    )


def _vgg_shapes() -> Judgement:
    total = cost_of("vgg16")
    sides = [layer.output_shape[1] for layer in total.layers if layer.kind == "maxpool"]
    first = next(layer for layer in total.layers if layer.kind == "linear")
    figures = [
        QuotedFigure("features", 25088, features(total), 1),
        QuotedFigure("parameters of the first linear layer", 100e6, first.parameters, 1e6, about=True),
    ]
    halved = sides == [112, 56, 28, 14, 7]
    return Judgement(
        verdict=verdict_of(figures) if halved else "false",
        figure=float(first.parameters),
        unit="parameters of the first linear layer",
        found=f"{first.parameters:,} parameters",
        reason=(
            f"The sizes after each pooling are {', '.join(map(str, sides))} in every VGG. 7 x 7 x 512 = "
            f"{features(total):,} features enter the first linear layer, which holds {first.parameters:,} "
            f"parameters, {100 * first.parameters / total.parameters:.0f}% of VGG-16.{_remark(figures)} "
            f"{RULE}"
        ),
    )


def _factorised(kernel: int, said: float) -> Judgement:
    depth = kernel_stacks.stack_depth(kernel)
    ratio = kernel_stacks.predicted_ratio(kernel, WIDTH, WIDTH)
    stack = block(block_name(WIDTH, "-".join(["3x3"] * depth)))
    window = cost(stack).layers[-1].receptive_field
    share = QuotedFigure("weights of the stack over those of the one", said, float(ratio), 0.01)
    right = share.holds and window == kernel
    even = kernel_stacks.break_even(kernel)
    return Judgement(
        verdict="true" if right else "false",
        figure=float(ratio),
        unit="weights of the stack / of the one",
        found=f"{100 * float(ratio):.0f}% of the weights ({ratio})",
        reason=(
            f"{depth} stacked 3x3 convolutions see {window}x{window} pixels with {9 * depth} C^2 weights "
            f"instead of {kernel**2} C^2: {ratio} = {float(ratio):.3f}; the FLOPs have the same ratio. "
            f"All layers must have C channels: with fewer inputs than {even} of the outputs, as in a first "
            "layer, the stack has more weights. It also keeps more activations, one map per layer."
        ),
    )


CLAIMS = (
    Claim(said=statement("params-alexnet"), judge=lambda evidence: _alexnet_parameters()),
    Claim(said=statement("params-vgg"), judge=lambda evidence: _vgg_parameters()),
    Claim(said=statement("shapes-alexnet"), judge=lambda evidence: _alexnet_shapes()),
    Claim(said=statement("shapes-vgg"), judge=lambda evidence: _vgg_shapes()),
    Claim(said=statement("factorise-5x5"), judge=lambda evidence: _factorised(5, 0.72)),
    Claim(said=statement("factorise-7x7"), judge=lambda evidence: _factorised(7, 0.55)),
)
