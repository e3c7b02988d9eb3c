"""Networks that take tokens, sequences and two images are measured as others are: against closed forms."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
import torch
from msgspec import structs

from bench import devices
from bench.child import worker
from bench.child.network_flops import count_models
from bench.child.output_agreement import compare_outputs
from bench.host import environment
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.counts import CountRequest
from bench.schema.job import Job
from bench.schema.record import Record
from models.errors import UserError
from models.process_state import kept
from models.user_imports import isolated_imports
from tests.planted import other_inputs

QUICK = MeasurementProtocol(
    warmup_steps=1,
    warmup_seconds=0.001,
    warmup_limit_seconds=0.1,
    min_samples=3,
    max_samples=3,
    sampling_seconds=0.05,
    energy_seconds=0,
)
BATCH, CLASSES = 4, 10
TOKENS, WIDTH, HIDDEN = 12, 16, 32
STEPS, FEATURES, CELLS = 7, 6, 8

ENCODER_LAYER = 4 * WIDTH * WIDTH + 4 * WIDTH + 2 * WIDTH * HIDDEN + WIDTH + HIDDEN + 4 * WIDTH
PARAMETERS = {
    "ENCODER": 50 * WIDTH + 2 * ENCODER_LAYER + WIDTH * CLASSES + CLASSES,
    "LSTM": 4 * CELLS * (FEATURES + CELLS + 2) + CELLS * CLASSES + CLASSES,
    "TWO": 4 * 9 + 4 + 8 * CLASSES + CLASSES,
}
INPUT_BYTES = {
    "ENCODER": 8 * BATCH * TOKENS,
    "LSTM": 4 * STEPS * BATCH * FEATURES,
    "TWO": 4 * BATCH * (8 * 10 + 6 * 6) + BATCH,
}
DESCRIBED = {
    "ENCODER": "4x12 int64",
    "LSTM": "7x4x6 float32",
    "TWO": "4x1x8x10 float32, 4x1x6x6 float32, 4x1 bool",
}
LABEL_BYTES = 8 * BATCH
NAMES = sorted(PARAMETERS)


def case_of(tmp_path: Path, name: str, **fields: object) -> Case:
    file = tmp_path / f"{name.lower()}_net.py"
    file.write_text(getattr(other_inputs, name))
    case = Case(model=f"{file}:make", batch=BATCH, classes=CLASSES, threads=1)
    return structs.replace(case, **fields)


def measured(case: Case, *, layers: bool = False) -> Record:
    job = Job(case=case, protocol=QUICK, environment=environment.describe(), layers=layers)
    with isolated_imports(), kept():
        return worker.run(job, devices.get("cpu"))[0]


def single(record: Record, phase: str, metric: str) -> float:
    whole = (m for m in record.measurements if m.layer is None)
    (found,) = [m.samples for m in whole if (m.phase, m.metric) == (phase, metric)]
    return found[0]


@pytest.mark.parametrize("name", NAMES)
def test_training_is_measured_with_the_bytes_of_what_went_in(tmp_path: Path, name: str) -> None:
    record = measured(case_of(tmp_path, name, workload="training"))
    assert (record.status, record.reason) == ("ok", None)
    assert single(record, "model", "parameters") == PARAMETERS[name]
    assert single(record, "model", "inputs") == INPUT_BYTES[name] + LABEL_BYTES
    assert record.effective.inputs == DESCRIBED[name]
    assert single(record, "forward", "bytes_moved") > 0


@pytest.mark.parametrize("name", NAMES)
def test_floating_inputs_are_cast_as_the_weights_are_and_others_are_not(tmp_path: Path, name: str) -> None:
    case = case_of(tmp_path, name, precision="bf16", layout="channels-last")
    record = measured(case)
    assert (record.status, record.reason) == ("ok", None)
    halved = {"ENCODER": 8 * BATCH * TOKENS, "LSTM": INPUT_BYTES["LSTM"] // 2}
    halved["TWO"] = (INPUT_BYTES["TWO"] - BATCH) // 2 + BATCH
    assert single(record, "model", "inputs") == halved[name]


def test_layers_are_timed_with_arguments_by_name(tmp_path: Path) -> None:
    record = measured(case_of(tmp_path, "TWO"), layers=True)
    flops = {m.layer.name: m.samples for m in record.measurements if m.metric == "flops" and m.layer}
    windows = 6 * 8 + 4 * 4
    assert flops == {"conv": [2 * BATCH * 4 * 9 * windows], "fc": [2 * BATCH * 8 * CLASSES]}


@pytest.mark.parametrize("name", NAMES)
def test_cost_counts_what_they_are_called_with(tmp_path: Path, name: str) -> None:
    case = case_of(tmp_path, name)
    request = CountRequest(model=case.model, channels=3, image=224, classes=CLASSES, batch=BATCH)
    (result,) = count_models([request])
    assert result.error is None
    assert result.cost is not None
    assert result.cost.parameters == PARAMETERS[name]
    assert (
        result.cost.input
        == {
            "ENCODER": "4x12 int64",
            "LSTM": "7x4x6 float32",
            "TWO": "4x1x8x10 float32, 4x1x6x6 float32, 4x1 bool",
        }[name]
    )


@pytest.mark.parametrize(
    ("factory", "shape", "outputs"),
    [("conv1d", (6, 20), 16), ("conv2d", (3, 9, 12), 5 * 8), ("conv3d", (2, 5, 6, 7), 1 * 2 * 3)],
)
def test_inputs_of_any_number_of_dimensions_are_measured(
    tmp_path: Path, factory: str, shape: tuple[int, ...], outputs: int
) -> None:
    text = "x".join(map(str, shape))
    case = case_of(tmp_path, "SHAPED", workload="training", input=text, channels=shape[0])
    record = measured(structs.replace(case, model=case.model.replace(":make", f":{factory}")))
    weights = shape[0] * 5 ** (len(shape) - 1) * 8
    assert (record.status, record.reason) == ("ok", None)
    assert single(record, "model", "parameters") == weights + 8 + 8 * CLASSES + CLASSES
    assert single(record, "model", "inputs") == 4 * BATCH * prod(shape) + LABEL_BYTES
    assert single(record, "forward", "flops") == 2 * BATCH * (weights * outputs + 8 * CLASSES)


def test_lazy_layers_take_the_shape_of_the_input(tmp_path: Path) -> None:
    case = case_of(tmp_path, "SHAPED", input="3x9x12", channels=3)
    request = CountRequest(
        model=case.model.replace(":make", ":lazy"),
        channels=3,
        image=224,
        classes=CLASSES,
        batch=BATCH,
        input="3x9x12",
    )
    (result,) = count_models([request])
    assert result.error is None
    assert result.cost is not None
    assert result.cost.given == "3x9x12"
    assert result.cost.macs == BATCH * (5 * 8 * 8 * 75 + 5 * 8 * 8 * CLASSES)


def test_inputs_beside_the_factory_and_a_shape_are_refused_together(tmp_path: Path) -> None:
    case = case_of(tmp_path, "LSTM", input="3x9x12")
    with pytest.raises(UserError, match="so --input 3x9x12 would change nothing: leave it out"):
        measured(case)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_of_another_precision_are_compared_on_the_same_inputs(tmp_path: Path, name: str) -> None:
    with isolated_imports(), kept():
        found = compare_outputs(case_of(tmp_path, name, precision="bf16"))
    assert found.images == 64
    assert 0 < found.relative_error < 0.05
    torch.set_flush_denormal(False)
