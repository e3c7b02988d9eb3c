"""The learning rate of each step: linear warm-up, then constant or half a cosine. Pure, no torch."""

from __future__ import annotations

import math

from bench.schema.training_task import Recipe


def rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0.

    It rises by equal parts over the first `warmup_epochs`, rounded to whole steps: `lr / n` at the first of
    n steps, `lr` at the last. A warm-up longer than the training never gets there. The cosine starts from
    `lr` at the step after the warm-up and is 0 at the end of the last epoch, so the last step still learns.

    Raises ValueError for a step that the training does not have.
    """
    steps = recipe.epochs * steps_per_epoch
    if not 0 <= step < steps:
        raise ValueError(f"step {step} of a training of {steps} steps")
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return recipe.lr * ((step + 1) / warmup)
    if recipe.schedule == "constant":
        return recipe.lr
    return recipe.lr * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
