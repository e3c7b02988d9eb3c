"""Named suites as data: what is measured together, how often, and how carefully."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from msgspec import structs

from bench import devices
from bench.contracts.device import Scale, Traits
from bench.plan.suite import Block, Suite, first_processes
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


_UNTIL = 0.05
"""Half width at which a case of `quick` and `standard` is finished: docs/method.md, "How many processes"."""
_WARM_ON_CPU = MeasurementProtocol(
    warmup_steps=1, warmup_seconds=0.3, warmup_limit_seconds=0.6, fewest_samples=3
)
"""From 15 ms up the second step is as fast as those that follow, and of shorter ones 0.3 s hold many."""
_WARM_ON_GPU = MeasurementProtocol(warmup_seconds=0.5, warmup_limit_seconds=5, fewest_samples=3)
"""Libraries are loaded and algorithms tried in the first step, and clocks take their time to rise."""


def _smoke(scale: Scale) -> Suite:
    large = scale == "large"
    return Suite(
        name="smoke",
        summary=(
            "what to run first: two networks, both workloads, every usual precision; "
            + ("a minute and a half" if large else "two minutes")
        ),
        blocks=(_SMOKE_ON_GPU if large else _SMOKE_ON_CPU,),
        once=_SMOKE_ON_GPU_ONCE if large else (),
        replicates=3 if large else 2,
        limit_minutes=1.5 if large else 2.0,
        # So few samples have no interval of their own: that of a row is over its processes.
        protocol=MeasurementProtocol(
            warmup_steps=2 if large else 1,
            warmup_seconds=0.1,
            warmup_limit_seconds=0.5 if large else 0.6,
            min_samples=3 if large else 5,
            fewest_samples=3,
            sampling_seconds=0.5 if large else 0.6,
            energy_seconds=0,
        ),
    )


_SMOKE_MODELS: Block = {"model": ("alexnet", "vgg16"), "workload": BOTH_WORKLOADS}
_SMOKE_ON_GPU: Block = {**_SMOKE_MODELS, "precision": ("fp32", "tf32", "amp-bf16"), "batch": (64,)}
_SMOKE_ON_GPU_ONCE: tuple[Block, ...] = (
    {"model": ("alexnet",), "precision": ("amp-bf16",), "engine": ("compile",), "batch": (64,)},
)
_SMOKE_ON_CPU: Block = {**_SMOKE_MODELS, "precision": ("fp32", "amp-bf16")}


def _quick(scale: Scale) -> Suite:
    large = scale == "large"
    return Suite(
        name="quick",
        summary=f"every network once around; at most {'ten minutes' if large else 'seven minutes'}",
        blocks=_QUICK_ON_GPU if large else _QUICK_ON_CPU,
        replicates=first_processes(_UNTIL),
        until=_UNTIL,
        ceilings=True,
        limit_minutes=10 if large else 7,
        # Energy takes 10 s and the idle ones before (docs/method.md, "Energy"): twice the suite's time.
        protocol=structs.replace(
            _WARM_ON_GPU if large else _WARM_ON_CPU, sampling_seconds=0.6, energy_seconds=0
        ),
    )


_QUICK_ON_CPU: tuple[Block, ...] = (
    {"model": ALL},
    {"model": ("alexnet",), "precision": ("amp-bf16",)},
    {"model": TRAINED, "workload": ("training",)},
    {"model": ("alexnet",), "engine": ("compile",)},
)

_THREE_PRECISIONS: Block = {"precision": ("fp32", "tf32", "amp-bf16"), "batch": (64,)}
_QUICK_ON_GPU: tuple[Block, ...] = (
    {"model": ALL, **_THREE_PRECISIONS},
    {"model": TRAINED, "workload": ("training",), **_THREE_PRECISIONS},
    {
        "model": ("alexnet", "vgg16"),
        "workload": BOTH_WORKLOADS,
        "precision": ("amp-bf16",),
        "engine": ("compile",),
        "batch": (64,),
    },
    {"model": ("alexnet",), "device": ("cpu", "auto"), "batch": (SHARED_BATCH,)},
)
"""The last row says how a CPU stands beside the GPU."""


def _standard(scale: Scale) -> Suite:
    large = scale == "large"
    return Suite(
        name="standard",
        summary=(
            "every network, training too, the usual precisions and engines"
            + ("; CPU beside GPU, layouts; an hour and a half" if large else "; hours")
        ),
        blocks=_STANDARD_ON_GPU if large else _STANDARD_ON_CPU,
        once=_STANDARD_ON_GPU_ONCE if large else (),
        replicates=first_processes(_UNTIL),
        until=_UNTIL,
        ceilings=True,
        limit_minutes=90 if large else None,
        protocol=structs.replace(
            MeasurementProtocol(fewest_samples=3) if large else _WARM_ON_CPU, sampling_seconds=2.0
        ),
    )


_STANDARD_ON_GPU: tuple[Block, ...] = (
    {"model": ALL, **_THREE_PRECISIONS},
    {"model": TRAINED, "workload": ("training",), **_THREE_PRECISIONS},
    {
        "model": ("alexnet", "vgg16"),
        "workload": BOTH_WORKLOADS,
        "precision": ("amp-bf16",),
        "engine": ("eager", "compile"),
        "layout": ("nchw", "channels-last"),
        "batch": (64,),
    },
)
_STANDARD_ON_GPU_ONCE: tuple[Block, ...] = (
    {"model": TRAINED, "workload": BOTH_WORKLOADS, "precision": ("amp-fp16",), "batch": (64,)},
    {"model": TRAINED, "workload": BOTH_WORKLOADS, "device": ("cpu", "auto"), "batch": (SHARED_BATCH,)},
)
_STANDARD_ON_CPU: tuple[Block, ...] = (
    {
        "model": ALL,
        "workload": BOTH_WORKLOADS,
        "precision": ("fp32", "amp-bf16"),
        "engine": ("eager", "compile"),
        "batch": (SHARED_BATCH,),
    },
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
        summary="every axis, to choose from by naming some: the whole takes "
        + ("weeks" if large else "a week"),
        blocks=(wide, {"model": ALL, **shared}) if large else (wide,),
        replicates=10,
        ceilings=True,
        protocol=MeasurementProtocol(fewest_samples=3),
    )


SUITES = {"smoke": _smoke, "quick": _quick, "standard": _standard, "full": _full}


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
