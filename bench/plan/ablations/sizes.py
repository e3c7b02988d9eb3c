"""How large and how careful ablations are, on a machine with a GPU and on one without. Data only."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bench.contracts.device import Scale
from bench.plan.suite import Block
from bench.schema.case import MeasurementProtocol


class Sizes(Struct, frozen=True, kw_only=True):
    """How large and how careful the ablations of a machine are.

    shrink        what the resolution of a stage is divided by, rounded up
    images        the side of the image of the networks whose kernels are compared, pixels
    block_axes    of the timed blocks, but for model and image; `network_axes` of the timed networks
    designs       the networks of the other ablations, with the axes at which they are timed
    trained       the networks that are also trained
    replicates    processes for each timed case; `seeds` are the runs of each trained one
    """

    shrink: int
    images: Mapping[str, int]
    block_axes: Block
    network_axes: Block
    designs: Mapping[str, Block]
    trained: tuple[str, ...]
    replicates: int
    seeds: int
    protocol: MeasurementProtocol


_BOTH: Block = {"workload": ("inference", "training")}
_SMALL: Block = {**_BOTH, "batch": (32,), "image": (32,)}
_HOURS = 36_000.0
"""The limit of a single case: a training run of a deep network may take long on a CPU."""

ON_CPU = Sizes(
    shrink=4,
    images={"vgg13": 56, "vgg16": 56, "alexnet": 112},
    block_axes={"workload": ("training",), "batch": (1, 8)},
    network_axes={**_BOTH, "batch": (8,)},
    designs={"vgg-small": _SMALL},
    trained=("vgg-small",),
    replicates=3,
    seeds=3,
    # Three to five samples of what takes long: the processes differ by more than such a median errs.
    protocol=MeasurementProtocol(
        warmup_steps=1,
        warmup_seconds=0.2,
        warmup_limit_seconds=0.6,
        sampling_seconds=0.4,
        min_samples=5,
        fewest_samples=3,
        energy_seconds=0,
        time_limit_seconds=_HOURS,
    ),
)
_FULL: Block = {
    "precision": ("fp32", "tf32", "amp-bf16"),
    "engine": ("eager", "compile"),
}
ON_GPU = Sizes(
    shrink=1,
    images={"vgg13": 224, "vgg16": 224, "alexnet": 224},
    block_axes={"workload": ("training",), **_FULL, "batch": (1, 16, 128)},
    network_axes={**_BOTH, **_FULL, "batch": (64,)},
    designs={"vgg-small": _SMALL, "vgg16": {**_BOTH, **_FULL, "batch": (64,)}},
    trained=("vgg-small", "vgg13", "vgg16", "alexnet"),
    replicates=3,
    seeds=3,
    # Ablations are about times: energy would take thousands of cases ten times as long.
    protocol=MeasurementProtocol(
        warmup_seconds=0.5,
        warmup_limit_seconds=5.0,
        sampling_seconds=1.0,
        fewest_samples=3,
        energy_seconds=0,
        time_limit_seconds=_HOURS,
    ),
)


def sizes(scale: Scale) -> Sizes:
    """The sizes for a device of this scale."""
    return ON_GPU if scale == "large" else ON_CPU
