"""The ledger against hand counts: whose bytes are alive at the instant of the peak, and in which phase."""

from __future__ import annotations

import copy
import gc
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from bench import devices
from bench.child import passes, worker
from bench.contracts.device import Device
from bench.contracts.steps import Call, Steps
from bench.devices.fake import FakeDevice
from bench.engines import get as engine
from bench.host import environment
from bench.probes import ledger, memory
from bench.schema.case import Case
from bench.schema.job import Job
from bench.schema.metrics import BESIDE, LEDGER, TENSORS, is_of
from bench.schema.record import Measurement
from bench.studies.max_batch.batch_search import MEMORY_ONLY
from bench.tensors import case_context
from bench.workloads import workloads
from models.load import load
from models.network import Network
from tests.planted.fake_cuda import FakeCuda

CPU = devices.get("cpu")
BATCH, IMAGE, CLASSES = 2, 4, 3
TRAINING = Case(model="tiny", workload="training", batch=BATCH, image=IMAGE, channels=1, classes=CLASSES)
INFERENCE = Case(model="tiny", batch=BATCH, image=IMAGE, channels=1, classes=CLASSES)
PIXELS, HIDDEN = IMAGE * IMAGE, 32
WEIGHTS = 4 * (PIXELS * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES)
IMAGES, LABELS = 4 * BATCH * PIXELS, 8 * BATCH
ACTIVATIONS, OUTPUTS = 4 * BATCH * HIDDEN, 4 * BATCH * CLASSES
SPIKE = 1_000_000


class Spike(nn.Module):
    """Takes a million floats for a moment: the peak is where it stands."""

    def forward(self, x: Tensor) -> Tensor:
        torch.zeros(SPIKE)
        return x


def two_layers(*between: nn.Module, end: nn.Module | None = None) -> nn.Sequential:
    first, last = nn.Linear(PIXELS, HIDDEN), nn.Linear(HIDDEN, CLASSES)
    return nn.Sequential(nn.Flatten(), first, *between, last, *([end] if end else []))


def steps_of(module: nn.Module, case: Case, device: str = "cpu") -> Steps:
    return workloads()[case.workload].prepare(Network(module), case, engine("eager"), device)


def ledger_of(module: nn.Module, case: Case) -> tuple[str, dict[str, int]]:
    """The phase of the peak, and bytes by name."""
    with case_context(case, "cpu"):
        return found(ledger.peak_ledger(steps_of(module, case), CPU, 0))


def found(measured: list[Measurement]) -> tuple[str, dict[str, int]]:
    [phase] = {m.phase for m in measured}
    assert {m.unit for m in measured} == {"bytes"}
    kinds = {metric: kind for kind, metric in LEDGER.items()}
    values = {kinds[m.metric]: int(m.samples[0]) for m in measured}
    assert len(values) == len(measured)
    return phase, values


def expected(**sizes: int) -> dict[str, int]:
    """Of the CPU, where the peak is the sum."""
    return dict.fromkeys(TENSORS, 0) | sizes | {"peak": sum(sizes.values())}


def test_inference_holds_a_layers_input_and_output() -> None:
    phase, sizes = ledger_of(two_layers(), INFERENCE)
    assert phase == "forward"
    assert sizes == expected(weights=WEIGHTS, inputs=IMAGES, other_tensors=ACTIVATIONS + OUTPUTS)


def test_training_peaks_with_the_last_gradient_when_the_batch_is_small() -> None:
    """All gradients are there, also the last one, which has not reached its parameter yet. Beside them only
    the gradient of the hidden activations is left, and the loss and its own gradient of one."""
    phase, sizes = ledger_of(two_layers(), TRAINING)
    assert phase == "backward"
    assert sizes == expected(
        weights=WEIGHTS,
        gradients=WEIGHTS,
        optimizer_state=WEIGHTS,
        inputs=IMAGES + LABELS,
        other_tensors=ACTIVATIONS + 4 + 4,
    )


@pytest.mark.parametrize("inplace", [False, True])
def test_what_autograd_keeps_is_told_from_what_is_only_alive(inplace: bool) -> None:
    """At the spike autograd keeps the output of ReLU, in place or not; the outputs of the network are alive,
    as is the loss of the step before, and no gradient is there yet."""
    phase, sizes = ledger_of(two_layers(nn.ReLU(inplace), end=Spike()), TRAINING)
    assert phase == "forward"
    assert sizes == expected(
        weights=WEIGHTS,
        optimizer_state=WEIGHTS,
        inputs=IMAGES + LABELS,
        saved_activations=ACTIVATIONS,
        other_tensors=OUTPUTS + 4 + 4 * SPIKE,
    )


def test_views_are_one_storage() -> None:
    """The second layer keeps a view of what the first gave, and the spike stands beside both."""
    between = nn.Sequential(nn.Unflatten(1, (4, 8)), nn.Flatten(), nn.Unflatten(1, (2, 16)), nn.Flatten())
    _, sizes = ledger_of(two_layers(between, end=Spike()), TRAINING)
    assert sizes["saved_activations"] == ACTIVATIONS


class Shared(nn.Module):
    """One layer, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.last = nn.Linear(PIXELS, PIXELS), nn.Linear(PIXELS, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.twice(self.twice(x.flatten(1))))
        return outputs


def test_shared_weights_count_once_and_their_second_gradient_is_on_its_way() -> None:
    """While the layer's second use is accounted for, its first gradient lies there already."""
    layer, last = 4 * (PIXELS * PIXELS + PIXELS), 4 * (PIXELS * CLASSES + CLASSES)
    phase, sizes = ledger_of(Shared(), TRAINING)
    assert phase == "backward"
    assert sizes["weights"] == sizes["optimizer_state"] == sizes["gradients"] == layer + last
    assert sizes["other_tensors"] >= 4 * PIXELS * PIXELS


def test_buffers_and_a_tensor_that_is_neither_weight_nor_buffer() -> None:
    class Keeps(nn.Module):
        mean: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(1, PIXELS))
            self.hidden = torch.ones(1, PIXELS)

        def forward(self, x: Tensor) -> Tensor:
            return (x.flatten(1) - self.mean) * self.hidden

    _, sizes = ledger_of(nn.Sequential(Keeps(), Spike()), INFERENCE)
    assert sizes["buffers"] == 4 * PIXELS
    assert sizes["other_tensors"] == 4 * PIXELS + IMAGES + 4 * SPIKE


def test_the_casts_that_autocast_keeps_are_alive_in_every_step() -> None:
    """The weights and biases in bf16, the images' and the outputs' beside them."""
    case = replace_precision(INFERENCE)
    if CPU.why_unusable(case):
        pytest.skip("no bf16")
    _, sizes = ledger_of(two_layers(end=Spike()), case)
    assert sizes["other_tensors"] == WEIGHTS // 2 + OUTPUTS // 2 + 4 * SPIKE


def replace_precision(case: Case) -> Case:
    return Case(
        model=case.model, precision="amp-bf16", batch=case.batch, image=IMAGE, channels=1, classes=CLASSES
    )


@pytest.mark.parametrize(("keeps", "count"), [(False, 1), (True, 2)])
def test_a_second_step_runs_only_where_something_lives_on(keeps: bool, count: int) -> None:
    class Wide(nn.Linear):
        """Its weights dwarf its outputs; it may keep a tensor of its own, which no step makes."""

        def __init__(self) -> None:
            super().__init__(PIXELS, 64)
            self.kept = [torch.ones(1000)] if keeps else []

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + sum(each.sum() for each in self.kept)

    module = nn.Sequential(nn.Flatten(), Wide(), nn.Linear(64, 5000), nn.Linear(5000, CLASSES))
    steps = steps_of(module, INFERENCE)
    ran: list[str] = []

    def step() -> None:
        ran.append("step")
        steps.step()

    with case_context(INFERENCE, "cpu"):
        phase, sizes = found(ledger.peak_ledger(replace(steps, step=step), CPU, 0))
    assert (phase, len(ran)) == ("forward", count)
    assert sizes["other_tensors"] >= 4 * 1000 * keeps


@pytest.mark.parametrize("name", ["forward", "backward", "optimizer"])
def test_the_peak_is_in_the_phase_that_has_it(name: str) -> None:
    steps = steps_of(two_layers(), TRAINING)

    def spiking(call: Call) -> Call:
        def both() -> None:
            call()
            torch.zeros(SPIKE)

        return both

    phases = ((own, spiking(call) if own == name else call) for own, call in steps.phases)
    spiked = replace(steps, phases=tuple(phases))
    where, sizes = found(ledger.peak_ledger(spiked, CPU, 0))
    assert where == name
    assert sizes["other_tensors"] >= 4 * SPIKE
    assert sizes["gradients"] == (0 if name == "forward" else WEIGHTS)


def deep(layers: int = 6) -> nn.Sequential:
    """As in VGG: activations are large in front, weights are large behind."""
    front = [layer for _ in range(layers) for layer in (nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())]
    behind = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 1024), nn.Linear(1024, CLASSES)]
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), *front, *behind)


def test_activations_go_as_gradients_come() -> None:
    """So the peak is less than all kinds at their full size, and more than without the gradients."""
    case = Case(model="deep", workload="training", batch=4, image=32, channels=1, classes=CLASSES)
    steps = steps_of(deep(), case)
    full = {m.metric: m.samples[0] for m in memory.memory_pass(steps, FakeDevice(asynchronous=False), 0)}
    phase, sizes = found(ledger.peak_ledger(steps, CPU, 0))
    assert phase == "backward"
    kept = full["weights"] + full["optimizer_state"] + full["inputs"]
    assert sizes["weights"] + sizes["optimizer_state"] + sizes["inputs"] == kept
    assert 0 < sizes["gradients"] < full["gradients"]
    assert 0.9 * full["saved_activations"] < sizes["saved_activations"] < full["saved_activations"]
    assert kept + full["saved_activations"] < sizes["peak"]
    assert sizes["peak"] == sum(sizes[kind] for kind in TENSORS)


def test_the_steps_go_on_as_if_nothing_had_been() -> None:
    """Two steps of the ledger and one more, beside a twin's three."""
    torch.manual_seed(0)
    module = two_layers(nn.ReLU())
    twin = copy.deepcopy(module)
    for each, counted in ((module, True), (twin, False)):
        torch.manual_seed(1)
        steps = steps_of(each, TRAINING)
        if counted:
            ledger.peak_ledger(steps, CPU, 0)
        for _ in range(1 if counted else 3):
            steps.setup()
            steps.step()
    for ours, theirs in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)


class Planted(FakeDevice):
    """Counts what is planted, and not the tensors."""


DEVICE = Planted()
SCRATCH = 500


@torch.library.custom_op("ledger_tests::scratch", mutates_args=())
def scratch(x: Tensor) -> Tensor:
    """Takes SCRATCH bytes for itself, and gives them back."""
    DEVICE.allocate(SCRATCH)
    DEVICE.allocate(-SCRATCH)
    return x.clone()


class Scratch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.ledger_tests.scratch(x) + 1  # type: ignore[no-any-return]


@pytest.fixture
def planted() -> Iterator[Device]:
    """100 bytes before the model, and 1000 as if for its tensors."""
    DEVICE.allocate(100)
    DEVICE.allocate(1000)
    yield DEVICE
    DEVICE.allocate(-1100)


def test_where_the_allocator_counts_the_peak_is_its_own_and_the_sum_leaves_a_residual(
    planted: Device,
) -> None:
    """The operator's scratch is its workspace, although another operator follows with as many tensors."""
    with case_context(INFERENCE, "cpu"):
        phase, sizes = found(ledger.peak_ledger(steps_of(Scratch(), INFERENCE), planted, 100))
    assert phase == "forward"
    assert (sizes["peak"], sizes["workspace"]) == (1000 + SCRATCH, SCRATCH)
    assert (sizes["inputs"], sizes["other_tensors"]) == (IMAGES, IMAGES)
    assert sizes["residual"] == 1000 - 2 * IMAGES
    assert sizes["library_workspace"] == 0
    assert "rounding" not in sizes  # this allocator does not say what was asked for
    assert sum(sizes[name] for name in (*TENSORS, *BESIDE, "residual") if name in sizes) == sizes["peak"]


class Launching(nn.Module):
    """Each forward is a launch on a planted device."""

    def __init__(self, device: FakeDevice) -> None:
        super().__init__()
        self._device = device

    def forward(self, x: Tensor) -> Tensor:
        self._device.launch(0, 0.001)
        return x + 1


def test_what_a_library_keeps_is_told_from_what_nothing_explains() -> None:
    """As cuBLAS keeps a workspace from its first call on. Of 1000 bytes for tensors two images are known."""
    device = FakeCuda(workspace_bytes=32 * 2**20)
    device.allocate(1000)
    with case_context(INFERENCE, "cpu"):
        _, sizes = found(ledger.peak_ledger(steps_of(Launching(device), INFERENCE), device, 0))
    assert sizes["library_workspace"] == 32 * 2**20
    assert sizes["residual"] == 1000 - 2 * IMAGES
    assert sizes["peak"] == 1000 + 32 * 2**20


class Rounding(FakeDevice):
    """Gives whole blocks, and knows what was asked for, as the allocator for CUDA."""

    def __init__(self) -> None:
        super().__init__()
        self._requested = 0

    def allocate(self, size: int) -> None:
        self._requested += size
        super().allocate(math.copysign(1, size) * 512 * math.ceil(abs(size) / 512))  # type: ignore[arg-type]

    def read_peak(self) -> dict[str, int]:
        return {**super().read_peak(), "peak_requested": self._requested}


def test_what_blocks_have_beyond_what_was_asked_for_is_rounding() -> None:
    device = Rounding()
    device.allocate(2 * IMAGES)  # for the images and the outputs
    with case_context(INFERENCE, "cpu"):
        _, sizes = found(ledger.peak_ledger(steps_of(Launching(device), INFERENCE), device, 0))
    assert (sizes["peak"], sizes["rounding"]) == (512, 512 - 2 * IMAGES)
    assert (sizes["library_workspace"], sizes["residual"]) == (0, 0)


def test_what_is_absent_has_its_reason() -> None:
    assert list(passes.ledger_absent(CPU, engine("eager"))) == ["ledger_workspace"]
    assert passes.ledger_absent(FakeDevice(), engine("eager")) == {}
    for name in ("compile", "cudagraph"):
        assert list(passes.ledger_absent(CPU, engine(name))) == ["ledger_peak"]
        steps = replace(steps_of(two_layers(), INFERENCE), step=lambda: pytest.fail("no step may run"))
        assert passes.ledger_measurements(steps, CPU, 0, engine(name)) == []


@pytest.fixture
def settings() -> Iterator[None]:
    """A child keeps its process's settings to itself; here they are put back."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("settings")
def test_a_record_has_the_ledger_in_the_phase_of_the_peak() -> None:
    """LeNet-5 at one image: in backward, when all gradients are there but the first layer's."""
    case = Case(model="lenet5", workload="training", image=28, channels=1, classes=10)
    job = Job(case=case, protocol=MEMORY_ONLY, environment=environment.describe())
    record, _ = worker.run(job, CPU)
    phase, sizes = found([m for m in record.measurements if is_of(m.metric, "ledger")])
    assert phase == "backward"
    assert sizes["weights"] == sizes["optimizer_state"] == 4 * 61_706
    assert 0.9 * sizes["weights"] < sizes["gradients"] <= sizes["weights"]
    assert record.absent["ledger_workspace"].startswith("the allocator of a CPU")


@pytest.mark.cuda
@pytest.mark.parametrize("workload", ["inference", "training"])
def test_on_a_gpu_the_peak_is_that_of_the_memory_pass_and_little_is_left_over(workload: str) -> None:
    device = devices.get("cuda")
    gc.collect()
    device.free_library_workspace()  # an earlier test's: in a process of its own there is none yet
    baseline = device.memory_baseline()
    case = Case(model="alexnet", workload="training", device="cuda", batch=16)
    if workload == "inference":
        case = Case(model="alexnet", device="cuda", batch=16)
    where = device.torch_name()
    with case_context(case, "cuda"):
        module = load("alexnet", channels=3, image=224, classes=1000, device=where).module
        steps = steps_of(module, case, where)
        for _ in range(3):
            steps.setup()
            steps.step()
        peaks = {
            m.metric: m.samples[0]
            for m in memory.memory_pass(steps, device, baseline)
            if m.phase == steps.whole_phase
        }
        _, sizes = found(ledger.peak_ledger(steps, device, baseline))
    assert sizes["peak"] == pytest.approx(peaks["peak_allocated"], rel=0.01)
    assert abs(sizes["residual"]) < 2**20
    assert sizes["workspace"] >= 0
    assert sizes["weights"] == 4 * sum(p.numel() for p in module.parameters())
