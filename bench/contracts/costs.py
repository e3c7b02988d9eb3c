"""What measuring costs on a kind of device, so that a plan can say how long it takes before it runs."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bench.schema.case import ARITHMETIC, Precision


class Costs(Struct, frozen=True, kw_only=True):
    """Seconds and rates of a usual device; `bench.plan.fitted_costs` finds them in the records of a run.

    source              where the figures come from
    process_seconds     a process without its steps: the fork, the device's context, building, counts, the end
    parameter_seconds   more for each parameter of the network
    first_step_seconds  more for each layer in the first step of an eager process: the search for kernels
    compile_seconds     the first step of a compiled case that meets an empty cache, for each layer
    recompile_seconds   likewise, with a filled one
    flops_per_second    of convolutions and linear layers by arithmetic (fp32, tf32, bf16, fp16); of the host
                        by each core of `reference_core`
    bytes_per_second    of weights and activations that come from memory
    layer_seconds       the least time of a layer's forward or backward pass, however small
    noise               standard deviation of a step's samples over their median: how many samples are needed
    ceiling_seconds     a process that measures its ceilings, as a whole
    reference_core      FLOPs per second of a core (`bench.host.cpu_cores.core_flops`) of the host where these
                        figures were found; None of other devices
    """

    source: str
    process_seconds: float
    parameter_seconds: float
    first_step_seconds: float
    compile_seconds: float
    recompile_seconds: float
    flops_per_second: Mapping[Precision, float]
    bytes_per_second: float
    layer_seconds: float
    noise: float
    ceiling_seconds: float
    reference_core: float | None = None


UNKNOWN_COSTS = Costs(
    source="guessed",
    process_seconds=2.0,
    parameter_seconds=5e-9,
    first_step_seconds=0.01,
    compile_seconds=1.0,
    recompile_seconds=0.2,
    flops_per_second=dict.fromkeys(ARITHMETIC.values(), 1e12),
    bytes_per_second=100e9,
    layer_seconds=50e-6,
    noise=0.01,
    ceiling_seconds=60.0,
)
"""Of a device on which nothing was ever measured."""
