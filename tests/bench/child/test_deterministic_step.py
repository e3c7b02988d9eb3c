"""The bits of a training step: equal in every process, other ones after a flip, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from msgspec import structs

from bench import devices
from bench.child import worker
from bench.child.deterministic_step import CUBLAS_WORKSPACE, digest_of, digest_step
from bench.devices.fake import FakeDevice
from bench.host import environment
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.job import Job
from bench.schema.step_digest import StepDigest, first_difference
from models import process_state, random_state
from reports.pages import run_report
from tests.planted import planted_records
from tests.planted.commands import ROOT
from tests.planted.faulty_networks import FLIPS_ON

CPU = devices.get("cpu")
LENET = Case(model="lenet5", workload="training", batch=4, image=28, channels=1, classes=10, threads=2)
HASTY = MeasurementProtocol(
    warmup_steps=1, warmup_seconds=0, warmup_limit_seconds=0.01, min_samples=1, max_samples=1
)
FAULTY = ROOT / "tests" / "planted" / "faulty_networks.py"


def of_file(factory: str) -> Case:
    return structs.replace(LENET, model=f"{FAULTY}:{factory}", image=16, channels=3)


def in_another_process(case: Case) -> StepDigest:
    program = (
        "import sys, msgspec; from bench import devices; from bench.schema.case import Case; "
        "from bench.child.deterministic_step import digest_step; "
        "case = msgspec.json.decode(sys.argv[1], type=Case); "
        "print(msgspec.json.encode(digest_step(case, devices.get(case.device))).decode())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, msgspec.json.encode(case).decode()],
        capture_output=True,
        cwd=ROOT,
        check=True,
        timeout=300,
    )
    return msgspec.json.decode(ended.stdout, type=StepDigest)


def test_two_processes_get_the_same_bits_whatever_went_on_in_them_before() -> None:
    torch.manual_seed(7)
    torch.randn(5)
    mine = digest_step(LENET, CPU)
    assert mine.repeats
    assert not mine.why_none
    assert len({mine.loss, mine.gradients, mine.weights}) == 3
    assert in_another_process(LENET) == mine


def test_cases_of_one_network_share_a_step_and_other_sizes_or_seeds_do_not() -> None:
    mine = digest_step(LENET, CPU)
    same = structs.replace(LENET, workload="inference", engine="compile", tuning="freezing", replicate=3)
    assert digest_step(same, CPU) == mine
    for other in (structs.replace(LENET, batch=5), structs.replace(LENET, seed=1)):
        assert first_difference(digest_step(other, CPU), mine) == "loss"


def test_one_flipped_bit_of_one_gradient_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVBENCH_NODE_NAME", "node3")
    right = digest_step(of_file("flipping"), CPU)
    monkeypatch.setenv(FLIPS_ON, "node3")
    wrong = digest_step(of_file("flipping"), CPU)
    assert (right.why_none, wrong.why_none, right.repeats, wrong.repeats) == ("", "", True, True)
    assert right.loss == wrong.loss
    assert first_difference(right, wrong) == "gradients"


def test_a_network_that_is_random_whatever_its_seed_is_said_not_to_repeat() -> None:
    found = digest_step(of_file("unrepeatable"), CPU)
    assert not found.repeats
    assert not found.why_none


def test_a_network_without_a_deterministic_implementation_has_no_digest() -> None:
    found = digest_step(of_file("unpooling"), CPU)
    assert found == StepDigest(why_none="max_unpooling2d_forward_out has no deterministic implementation")


def test_what_cannot_be_trained_says_why(tmp_path: Path) -> None:
    file = tmp_path / "frozen.py"
    file.write_text("import torch\ndef frozen():\n    return torch.nn.Flatten()\n")
    found = digest_step(structs.replace(LENET, model=f"{file}:frozen"), CPU)
    assert "nothing to train" in found.why_none
    assert found == StepDigest(why_none=found.why_none)


@pytest.mark.parametrize("factory", ["flipping", "unpooling"], ids=["ends well", "fails"])
def test_flags_variables_and_random_numbers_are_left_as_they_were(
    factory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    threads = torch.get_num_threads()
    state, numbers = process_state.read(process_state.ALL), random_state.read()
    digest_step(structs.replace(of_file(factory), threads=threads + 1), CPU)
    assert process_state.changes(state) == []
    assert random_state.is_unchanged(numbers)
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    assert not torch.are_deterministic_algorithms_enabled()


class Watched(FakeDevice):
    """What holds for the process when the device has ended a step."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def prepare(self, case: Case) -> None:
        self.asked.append("prepare")

    def free_library_workspace(self) -> bool:
        workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
        self.asked.append(f"workspace {workspace}")
        return True

    def synchronise(self) -> None:
        backend = torch.backends.cudnn
        assert torch.are_deterministic_algorithms_enabled()
        assert (backend.deterministic, backend.benchmark) == (True, False)
        self.asked.append("synchronise")
        super().synchronise()


def test_an_accelerator_gets_its_workspace_by_the_fixed_setting_and_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """cuBLAS keeps the workspace of its first product; after the step the next one takes its own again."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    device = Watched()
    assert digest_step(LENET, device).repeats
    assert device.asked == [
        "prepare",
        f"workspace {CUBLAS_WORKSPACE}",
        *("synchronise",) * 3,
        "workspace None",
    ]


@pytest.mark.parametrize(
    ("tensor", "other"),
    [
        (torch.zeros(0), torch.zeros(1)),
        (torch.tensor(1.5), torch.tensor([1.5])),
        (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), torch.tensor([1.0, 2.5], dtype=torch.bfloat16)),
        (torch.tensor([1 + 2j]).conj(), torch.tensor([1 + 2j])),
        (torch.eye(3).to_sparse(), torch.eye(3).flip(0).to_sparse()),
        (torch.tensor([True, False]), torch.tensor([1, 0], dtype=torch.uint8)),
    ],
    ids=["empty", "a number", "bfloat16", "complex", "sparse", "bool"],
)
def test_every_kind_of_tensor_has_a_digest_of_its_shape_dtype_and_values(
    tensor: torch.Tensor, other: torch.Tensor
) -> None:
    assert digest_of([tensor]) == digest_of([tensor.clone()]) != digest_of([other])


def test_a_digest_is_of_values_whatever_the_layout() -> None:
    images = torch.randn(2, 3, 4, 4)
    assert digest_of([images]) == digest_of([images.to(memory_format=torch.channels_last)])
    assert digest_of([torch.tensor([0.0])]) != digest_of([torch.tensor([-0.0])])


@pytest.mark.slow
def test_a_case_makes_the_step_after_its_times_if_it_is_asked_to() -> None:
    job = Job(case=LENET, protocol=HASTY, environment=environment.describe())
    assert worker.run(job, CPU)[0].step_digest is None
    asked = structs.replace(job, step_digest=True)
    assert worker.run(asked, CPU)[0].step_digest == digest_step(LENET, CPU)


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "tf32", "amp-bf16", "amp-fp16"])
def test_a_gpu_repeats_a_step_to_the_bit_and_keeps_its_flags(precision: str) -> None:
    case = structs.replace(LENET, model="vgg11", device="cuda", precision=precision)
    case = structs.replace(case, image=64, channels=3, batch=16)
    state = process_state.read(process_state.ALL)
    found = digest_step(case, devices.get("cuda"))
    assert (found.why_none, found.repeats) == ("", True)
    assert in_another_process(case) == found
    assert process_state.changes(state) == []


@pytest.mark.cuda
def test_on_a_gpu_what_torch_has_no_deterministic_kernel_for_is_said() -> None:
    found = digest_step(
        structs.replace(LENET, model="alexnet", device="cuda", image=224, channels=3), devices.get("cuda")
    )
    assert found.why_none == "adaptive_avg_pool2d_backward_cuda has no deterministic implementation"


@pytest.mark.slow
def test_a_flip_on_one_of_three_nodes_is_named_by_their_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the gradient to the sentence: one bit of 80 numbers, on node2."""
    monkeypatch.setenv(FLIPS_ON, "node2")
    folders = []
    for node in ("node1", "node2", "node3"):
        monkeypatch.setenv("CONVBENCH_NODE_NAME", node)
        machine = structs.replace(environment.describe(), node=node)
        job = Job(case=of_file("flipping"), protocol=HASTY, environment=machine, step_digest=True)
        folders.append(planted_records.write(tmp_path / node, [worker.run(job, CPU)[0]]))
    answer = run_report.build(folders).answer
    assert answer is not None
    assert answer.alarms[0].startswith("node2 computes another gradient than 2 others of its kind in ")
    assert "Likely silent data corruption" in answer.alarms[0]
