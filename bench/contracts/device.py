"""What a device must offer to be measured, and what is known of its kind wherever nothing is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from bench.contracts.costs import UNKNOWN_COSTS, Costs
from bench.contracts.energy_source import EnergySource
from bench.contracts.monitor import Monitor
from bench.schema.case import LAYOUTS, PRECISIONS, Case, Layout, Precision
from bench.schema.case_warnings import CaseWarning
from bench.schema.gpu_identity import Gpu, GpuReadings
from bench.schema.record import Effective

Scale = Literal["small", "large"]
"""How much work is worth measuring: what a processor does in seconds, or what keeps a GPU busy."""


class Traits(Struct, frozen=True, kw_only=True):
    """What is true of a kind of device on every machine: data, known without torch and without the device.

    title             in headings and sentences: `the CPU`, `CUDA`
    aliases           other names that users know it by
    preference        `auto` takes the present device of the highest; what is below the host, by name alone
    is_host           whether it is the processor that Python runs on: then `Case.threads` matter to it
    scale             how large its suites, ablations, searches and ceilings are
    clocks            metrics by which a step is timed, the best first: `device_time` where there is a queue
    precisions        that it has, in the order in which a search tries them
    layouts           memory formats that it has, likewise
    tunings           names of `bench.schema.tuning` that mean something on it
    captures_graphs   whether a step can be captured once as a CUDA graph and replayed
    needs_cxx         whether torch.compile builds C++ for it, and so needs a compiler and Python's headers
    needs_triton      whether it builds Triton's kernels for it, and so needs Triton, a C compiler and headers
    profiler          its name among torch's `ProfilerActivity` and `DeviceType`; empty where torch.profiler
                      does not record its kernels
    has_datasheet     whether its maker's figures may stand in reports/analysis/datasheet.csv
    tensor_cores      whether precisions other than fp32 run on units of their own
    peak_metric       the metric of `Device.read_peak` that says what a step needs; empty where none does
    energy_scope      a sentence that says whose joules are counted; empty where none are
    counts_energy     whether its joules can usually be read: then plans reckon with the time that takes,
                      training counts them, and a counter that cannot be read is worth a warning
    costs             what measuring on it costs, so that a plan can say how long it takes
    uses_gpu          whether another GPU in the record's environment makes it another machine
    uses_nvml         whether NVIDIA's driver knows about it
    caveat            what a user should know before trusting its figures; empty for nothing
    """

    title: str
    preference: int
    is_host: bool
    scale: Scale
    clocks: tuple[str, ...]
    precisions: tuple[Precision, ...]
    layouts: tuple[Layout, ...] = LAYOUTS
    tunings: tuple[str, ...]
    captures_graphs: bool
    needs_cxx: bool
    needs_triton: bool = False
    profiler: str
    has_datasheet: bool
    tensor_cores: bool
    peak_metric: str
    energy_scope: str
    counts_energy: bool
    costs: Costs
    uses_gpu: bool
    uses_nvml: bool
    aliases: tuple[str, ...] = ()
    caveat: str = ""


UNKNOWN = Traits(
    title="an unknown device",
    preference=-100,
    is_host=False,
    scale="large",
    clocks=("wall_time",),
    precisions=PRECISIONS,
    tunings=(),
    captures_graphs=False,
    needs_cxx=False,
    profiler="",
    has_datasheet=False,
    tensor_cores=False,
    peak_metric="",
    energy_scope="",
    counts_energy=False,
    costs=UNKNOWN_COSTS,
    uses_gpu=True,
    uses_nvml=False,
)
"""Of a device that a record names and this version has not: nothing may be concluded from its kind."""


class Device(Protocol):
    """Hardware that runs torch. Construction and `why_absent` are torch-free; the rest runs in a child."""

    name: str
    """The name on the command line."""
    traits: Traits
    overcommits: bool
    """Whether memory that is not there is promised: who takes too much is killed, and not refused."""

    def why_absent(self) -> str | None:
        """A sentence when this machine seems to have no such device, found without torch, in milliseconds."""

    def why_unsupported(self, case: Case) -> str | None:
        """A sentence when the case contradicts this kind of device on every machine; torch-free."""

    def why_unusable(self, case: Case) -> str | None:
        """A sentence when this torch on this machine cannot run the case (asked in a child)."""

    def why_no_flush(self) -> str | None:
        """Half a sentence where `flush` is not possible on this machine; torch-free."""

    def torch_name(self) -> str:
        """The device's name for torch, e.g. `cuda:0`."""

    def torch_type(self) -> str:
        """The kind of device for torch, which autocast asks for, e.g. `cuda`."""

    def prepare(self, case: Case) -> None:
        """Set threads and precision flags for this process, before anything runs on the device."""

    def read_back(self) -> Effective:
        """The precision flags in force, as torch reports them.

        Where there are such flags, `matmul` and `conv` are `ieee`, `tf32` or `bf16`: figures of two
        devices are compared where these words are the same.
        """

    def clock(self) -> float:
        """The host's monotonic clock, in seconds."""

    def synchronise(self) -> None:
        """Return when all work given to the device is done."""

    def flush(self) -> Callable[[], None]:
        """What writes over a buffer of twice the L2, or of the last cache before the memory, each time it is
        called: in the order of the queue where there is one. The buffer lives as long as what is returned.

        UserError where `why_no_flush` has a reason.
        """

    def queue(self) -> Queue | None:
        """The asynchronous queue, or None where a call returns when its work is done."""

    def monitors(self, threads: int) -> Sequence[Monitor]:
        """What watches the machine while this device is measured by a process of so many threads."""

    def energy_source(self) -> EnergySource:
        """The counter of what this device takes, in joules; NoCounter with the reason where there is none."""

    def accelerator(self) -> Gpu | None:
        """Which device it is and how it is set; None for the host."""

    def accelerator_readings(self) -> GpuReadings | None:
        """What its counters and sensors say now; None where nothing does."""

    def memory_baseline(self) -> int:
        """Bytes in use before the model exists; peaks are differences to it."""

    def release_memory(self) -> None:
        """Give back what is only cached, and forget what was counted so far: a memory pass begins."""

    def reset_peak(self) -> None:
        """Forget the peak so far."""

    def read_peak(self) -> dict[str, int]:
        """Absolute peaks since `reset_peak`, in bytes, by metric name (`peak_...`); there may be none."""

    def read_memory(self) -> dict[str, int]:
        """What else is known of memory since `release_memory`, by metric name; bytes, or a count where the
        metric is `allocation_retries`."""

    def free_library_workspace(self) -> bool:
        """Let go of memory that libraries keep between calls; False where they cannot be told to."""

    def free_memory(self) -> int:
        """Bytes that this process may still take."""

    def warnings(self) -> list[CaseWarning]:
        """Warnings about what this device could not say."""


class Queue(Protocol):
    """A device that works behind the host's back."""

    def clock(self) -> float:
        """The host's monotonic clock, in seconds, as the device's."""

    def synchronise(self) -> None:
        """Return when all work in the queue is done."""

    def record(self) -> Any:
        """An event at this place in the queue."""

    def elapsed(self, start: Any, end: Any) -> float:
        """Seconds between two events that have happened."""

    def done(self, event: Any) -> bool:
        """Whether an event has happened, without waiting for it."""

    def occupy(self, seconds: float) -> None:
        """Keep the device busy for at least about this long without work for the host."""

    def busy_seconds(self, call: Any) -> float | None:
        """Seconds in which the device worked during one call; None where nothing can tell."""
