"""Named suites as data: what is measured together, how often, and how carefully."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from bench.plan import axes
from bench.plan.axes import AXES, Value
from bench.schema.case import PRECISIONS, Protocol
from models import catalogue
from models.errors import UserError, unknown

Block = Mapping[str, tuple[Value, ...]]
"""Axis -> values; the product of them is measured. An absent axis takes the usual value."""


class Suite(Struct, frozen=True, kw_only=True):
    """Blocks of cases. The first is the suite's main one: naming an axis on the command line makes the plan
    the product of the given values and the rest of this block.

    replicates  processes for each case of `blocks`
    once        blocks whose cases are so slow that the suite has time for one process of each only
    ceilings    whether what the machine can do is measured first
    """

    name: str
    summary: str
    blocks: tuple[Block, ...]
    replicates: int
    once: tuple[Block, ...] = ()
    ceilings: bool = False
    protocol: Protocol = Protocol()


USUAL: Block = {
    "workload": ("inference",),
    "device": ("auto",),
    "precision": ("fp32",),
    "engine": ("eager",),
    "layout": ("nchw",),
    "tuning": ("",),
    "batch": (1,),
    "seed": (0,),
}
"""What an absent axis means; image, channels and classes are the network's own, threads the usable cores."""

ALL = tuple(catalogue.MODELS)
TRAINED = ("alexnet", "vgg11", "vgg16")
BOTH_WORKLOADS = ("inference", "training")
SHARED_BATCH = 8
"""A batch that a CPU can do in seconds: the rows in which a CPU is compared with a GPU."""


def _quick(gpu: bool) -> Suite:
    return Suite(
        name="quick",
        summary="every network once around: minutes on a CPU, an hour with a GPU",
        blocks=_QUICK_ON_GPU if gpu else _QUICK_ON_CPU,
        once=_QUICK_ON_GPU_ONCE if gpu else _QUICK_ON_CPU_ONCE,
        replicates=2,
        ceilings=True,
        # Energy takes METHOD's 10 s and the idle ones before: the suite would take twice its time.
        protocol=Protocol(warmup_seconds=0.5, warmup_limit_seconds=5, sampling_seconds=2, energy_seconds=0),
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
    {"model": ("alexnet", "vgg16"), "device": ("cpu", "cuda"), "batch": (SHARED_BATCH,)},
)


def _standard(gpu: bool) -> Suite:
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
            "device": ("cpu", "cuda"),
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
        blocks=on_gpu if gpu else on_cpu,
        once=shared if gpu else (),
        replicates=3,
        ceilings=True,
        protocol=Protocol(sampling_seconds=3.0),
    )


def _full(gpu: bool) -> Suite:
    shared: Block = {"device": ("cpu", "cuda"), "batch": (1, SHARED_BATCH), "workload": BOTH_WORKLOADS}
    wide: Block = {
        "model": ALL,
        "workload": BOTH_WORKLOADS,
        "precision": PRECISIONS if gpu else tuple(p for p in PRECISIONS if p != "tf32"),
        "engine": (
            ("eager", "compile", "compile-reduce-overhead", "compile-max-autotune", "cudagraph")
            if gpu
            else ("eager", "compile", "compile-max-autotune")
        ),
        "layout": ("nchw", "channels-last"),
        "batch": (1, 16, 64, 256) if gpu else (1, SHARED_BATCH, 32),
    }
    return Suite(
        name="full",
        summary="every axis; hours on a GPU, days on a CPU",
        blocks=(wide, {"model": ALL, **shared}) if gpu else (wide,),
        replicates=10,
        ceilings=True,
    )


SUITES = {"quick": _quick, "standard": _standard, "full": _full}


_LARGEST = 1e9
"""Of steps, samples and seconds: TOML also knows infinity, which no record could hold."""
_OFF = (("energy_seconds", 0.0), ("give_up_seconds", None))
"""What a protocol leaves out."""


def find(name: str, *, gpu: bool) -> Suite:
    """A named suite as it is on a machine with or without a GPU, or one from a TOML file. UserError."""
    if name in SUITES:
        return SUITES[name](gpu)
    if name.endswith(".toml"):
        return from_toml(Path(name))
    raise unknown("suite", name, [*SUITES, "FILE.toml"])


def from_toml(path: Path) -> Suite:
    """A suite of one's own: `name`, `summary`, `replicates`, a table `protocol`, and tables `[[cases]]` of
    axes, each a value or a list. Raises UserError for anything else."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the suite {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"the suite {path} is not TOML: {error}") from error
    _only(found, ("name", "summary", "replicates", "protocol", "cases"), f"key in {path}")
    blocks = found.get("cases")
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        raise UserError(f"{path} needs at least one table [[cases]]")
    return Suite(
        name=_text(found, "name", path.stem, path),
        summary=_text(found, "summary", "", path),
        blocks=tuple(_block(block, path) for block in blocks),
        replicates=axes.whole_number("replicates", found.get("replicates", 3), 1, 1000),
        protocol=_protocol(found.get("protocol", {}), path),
    )


def _text(table: Mapping[str, object], key: str, usual: str, path: Path) -> str:
    value = table.get(key, usual)
    if not isinstance(value, str):
        raise UserError(f"{key} in {path} is a text, not {value!r}")
    return value


def _only(table: Mapping[str, object], accepted: tuple[str, ...], kind: str) -> None:
    for key in table:
        if key not in accepted:
            raise unknown(kind, key, accepted)


def _block(table: dict[str, Any], path: Path) -> Block:
    _only(table, tuple(AXES), f"axis in {path}")
    if "model" not in table:
        raise UserError(f"every [[cases]] of {path} needs a model")
    return {
        axis: axes.read(axis, values if isinstance(values, list) else [values])
        for axis, values in table.items()
    }


def _protocol(table: object, path: Path) -> Protocol:
    if not isinstance(table, dict):
        raise UserError(f"protocol in {path} is a table, [protocol]")
    _only(table, tuple(field.name for field in structs.fields(Protocol)), f"key in [protocol] of {path}")
    try:
        protocol = msgspec.convert(table, Protocol)
    except msgspec.ValidationError as error:
        raise UserError(f"[protocol] of {path}: {error}") from error
    items = structs.asdict(protocol).items()
    if not all(0 < value <= _LARGEST for name, value in items if (name, value) not in _OFF):
        raise UserError(
            f"every value in [protocol] of {path} must be above 0 and at most {_LARGEST:g}; "
            "energy_seconds = 0 leaves energy out"
        )
    if protocol.min_samples > protocol.max_samples:
        raise UserError(f"[protocol] of {path} asks for more min_samples than max_samples")
    return protocol
