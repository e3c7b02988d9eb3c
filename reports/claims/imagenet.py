"""Claims about ImageNet, which no machine here can repeat: they are shown beside what else was published."""

from __future__ import annotations

from models.published import top5_errors
from reports.claims.claim import Claim, Judgement, statement


def _shown(said: float, models: tuple[str, ...], words: str) -> Judgement:
    """The published figure itself, and those of the same family with their sources."""
    others = "; ".join(
        f"{fact.model} {fact.value:.1f}% ({fact.source})" for model in models for fact in top5_errors(model)
    )
    return Judgement(
        verdict="published",
        figure=said,
        unit="% top-5 error",
        reason=f"Cannot be measured here: it is a result on ImageNet. {words} Published: {others}.",
    )


CLAIMS = (
    Claim(
        said=statement("top5-alexnet"),
        judge=lambda evidence: _shown(
            15.3,
            ("alexnet-grouped", "alexnet"),
            "15.3% is an ensemble's error, not that of one network.",
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
