"""Named suites as data: what is measured together, how often, and how carefully."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from msgspec import structs

from bench import devices
from bench.contracts.device import Scale, Traits
from bench.plan.suite import Block, Suite
from bench.plan.suite_file import from_toml
from bench.schema.case import PRECISIONS, MeasurementProtocol
from models import catalogue
from models.errors import unknown

ALL = tuple(catalogue.MODELS)
TRAINED = ("alexnet", "vgg11", "vgg16")
BOTH_WORKLOADS = ("inference", "training")
SHARED_BATCH = 8
"""A batch that a CPU can do in seconds: the rows in which a CPU is compared with a GPU."""
GRAPH_ENGINES = ("compile-reduce-overhead", "cudagraph")
"""Where nothing captures graphs the first is `compile`, and the second is refused."""


def _quick(scale: Scale) -> Suite:
    large = scale == "large"
    return Suite(
        name="quick",
        summary="every network once around: minutes on a CPU, an hour with a GPU",
        blocks=_QUICK_ON_GPU if large else _QUICK_ON_CPU,
        once=_QUICK_ON_GPU_ONCE if large else _QUICK_ON_CPU_ONCE,
        replicates=2,
        ceilings=True,
        # Energy takes 10 s and the idle ones before (docs/method.md, "Energy"): twice the suite's time.
        protocol=MeasurementProtocol(
            warmup_seconds=0.5, warmup_limit_seconds=5, sampling_seconds=2, energy_seconds=0
        ),
    )


_QUICK_ON_CPU: tuple[Block, ...] = (
    {"model": ALL},
    {"model": ("alexnet",), "precision": ("amp-bf16",)},
)
_QUICK_ON_CPU_ONCE: tuple[Block, ...] = (
    {"model": TRAINED, "workload": ("training",)},
    {"model": ("alexnet",), "engine": ("compile",)},
)
"""Together a minute on two cores: a second process of each would break the four minutes of the suite."""

_THREE_PRECISIONS: Block = {"precision": ("fp32", "tf32", "amp-bf16"), "batch": (64,)}
_QUICK_ON_GPU: tuple[Block, ...] = (
    {"model": ALL, **_THREE_PRECISIONS},
    {"model": TRAINED, "workload": ("training",), **_THREE_PRECISIONS},
)
_QUICK_ON_GPU_ONCE: tuple[Block, ...] = (
    {"model": ALL, "engine": ("compile",), **_THREE_PRECISIONS},
    {"model": TRAINED, "workload": ("training",), "engine": ("compile",), **_THREE_PRECISIONS},
    {"model": ("alexnet", "vgg16"), "device": ("cpu", "auto"), "batch": (SHARED_BATCH,)},
)


def _standard(scale: Scale) -> Suite:
    large = scale == "large"
    on_gpu: tuple[Block, ...] = (
        {"model": ALL, "workload": BOTH_WORKLOADS, **_THREE_PRECISIONS},
        {
            "model": TRAINED,
            "workload": BOTH_WORKLOADS,
            "precision": ("tf32", "amp-bf16", "amp-fp16"),
            "engine": ("eager", "compile"),
            "layout": ("nchw", "channels-last"),
            "batch": (64,),
        },
    )
    shared: tuple[Block, ...] = (
        {
            "model": ALL,
            "workload": BOTH_WORKLOADS,
            "device": ("cpu", "auto"),
            "batch": (SHARED_BATCH,),
        },
    )
    on_cpu: tuple[Block, ...] = (
        {
            "model": ALL,
            "workload": BOTH_WORKLOADS,
            "precision": ("fp32", "amp-bf16"),
            "engine": ("eager", "compile"),
            "batch": (SHARED_BATCH,),
        },
    )
    return Suite(
        name="standard",
        summary="every network, both workloads, the usual precisions and engines, CPU beside GPU; hours",
        blocks=on_gpu if large else on_cpu,
        once=shared if large else (),
        replicates=3,
        ceilings=True,
        protocol=MeasurementProtocol(sampling_seconds=3.0),
    )


def _full(scale: Scale) -> Suite:
    large = scale == "large"
    shared: Block = {"device": ("cpu", "auto"), "batch": (1, SHARED_BATCH), "workload": BOTH_WORKLOADS}
    wide: Block = {
        "model": ALL,
        "workload": BOTH_WORKLOADS,
        "precision": PRECISIONS,
        "engine": ("eager", "compile", "compile-reduce-overhead", "compile-max-autotune", "cudagraph"),
        "layout": ("nchw", "channels-last"),
        "batch": (1, 16, 64, 256) if large else (1, SHARED_BATCH, 32),
    }
    return Suite(
        name="full",
        summary="every axis; hours on a GPU, days on a CPU",
        blocks=(wide, {"model": ALL, **shared}) if large else (wide,),
        replicates=10,
        ceilings=True,
    )


SUITES = {"quick": _quick, "standard": _standard, "full": _full}


def names() -> list[str]:
    """The named suites; a file is another."""
    return list(SUITES)


def find(name: str, device: str) -> Suite:
    """A named suite as it is where this device is what `auto` takes, or one from a TOML file. UserError."""
    if name in SUITES:
        traits = devices.traits(device)
        suite = SUITES[name](traits.scale)
        return structs.replace(
            suite,
            blocks=tuple(_possible(block, traits) for block in suite.blocks),
            once=tuple(_possible(block, traits) for block in suite.once),
        )
    if name.endswith(".toml"):
        return from_toml(Path(name))
    raise unknown("suite", name, [*SUITES, "FILE.toml"])


def _possible(block: Block, traits: Traits) -> Block:
    """The block without precisions and engines that no device of this kind has."""
    lacking: Mapping[str, Container[object]] = {
        "precision": set(PRECISIONS) - set(traits.precisions),
        "engine": set() if traits.captures_graphs else set(GRAPH_ENGINES),
    }
    return {
        axis: tuple(value for value in values if value not in lacking.get(axis, ()))
        for axis, values in block.items()
    }
