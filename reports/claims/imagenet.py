"""Claims about ImageNet, which takes more than one machine: they are cited with other published figures."""

from __future__ import annotations

from models.published import top5_errors
from reports.claims.claim import Claim, Judgement, statement


def _shown(said: float, models: tuple[str, ...], words: str) -> Judgement:
    """The published figure itself, and those of the same family with their sources."""
    others = "; ".join(
        f"{fact.model} {fact.value:.1f}% ({fact.source})" for model in models for fact in top5_errors(model)
    )
    return Judgement(
        verdict="cited",
        figure=said,
        unit="% top-5 error",
        found=f"{said:g}%, of an ensemble",
        reason=f"A result on ImageNet, not measured here. {words} Published: {others}.",
    )


CLAIMS = (
    Claim(
        said=statement("top5-alexnet"),
        judge=lambda evidence: _shown(
            15.3,
            ("alexnet-grouped", "alexnet"),
            "15.3% is the error of an ensemble, not of one network.",
        ),
    ),
    Claim(
        said=statement("top5-vgg"),
        judge=lambda evidence: _shown(
            7.3,
            ("vgg16", "vgg19"),
            "7.3% is the error of an ensemble of VGG networks, not of VGG-16 alone.",
        ),
    ),
)
