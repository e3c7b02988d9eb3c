"""Networks that users bring: right figures, or one sentence that names the cause, from the command line.

The networks stand in tests/fixtures/networks. Their figures were worked out by hand, at 16x16 pixels and ten
outputs unless said otherwise: a convolution 3->8 of 3x3 pixels has 55,296 MACs an image, a linear layer 8->10
has 80, together 314 parameters.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.forkserver.client import Server
from bench.runner import execute, network_costs
from tests.planted.commands import ROOT, Answer, Command, is_one_sentence
from tests.planted.standing_server import StandingServer

pytestmark = pytest.mark.slow

FOLDER = ROOT / "tests" / "fixtures" / "networks"
SIZE = ("--image", 16, "--classes", 10)
BATCH = 8
SMALL_MACS, SMALL_BACKWARD = 55_376, 110_912

SUITE = """
name = "users"
summary = "networks of users"
replicates = 1
[protocol]
warmup_steps = 2
warmup_seconds = 0.001
warmup_limit_seconds = 0.2
min_samples = 5
max_samples = 5
sampling_seconds = 0.1
energy_seconds = 0
"""
"""Enough to see that it works."""


class Counted(NamedTuple):
    """Of one image; several figures where a recomputation may be counted or not, empty where it is open."""

    parameters: int
    macs: int
    backward: tuple[int, ...] = ()


COUNTED = {
    "einsum": Counted(314, SMALL_MACS, (SMALL_BACKWARD,)),
    "up_and_down": Counted(176, 8_980, (13_824 + 8_192 + 80,)),
    "thrice": Counted(890, 497_744, (110_592 + 4 * 442_368 + 320,)),
    "depthwise": Counted(386, 73_808, (110_592 + 4 * 18_432 + 320,)),
    # Backward of attention has four products, or five where the first is computed again.
    "attending": Counted(
        698, 13_392, (2 * 6_144 + 4 * 3_072 + 16_384 + 320, 2 * 6_144 + 4 * 3_072 + 20_480 + 320)
    ),
    "gram": Counted(874, 72_320, (110_592 + 4 * 16_384 + 4 * 640,)),
    "recurrent": Counted(4_394, 65_696),
    "parametrized": Counted(314, SMALL_MACS, (SMALL_BACKWARD,)),
    "plain_tensor": Counted(224, SMALL_MACS, (110_592 + 160,)),
    # Nested: what is computed again may be computed once or twice more.
    "recomputed": Counted(890, 350_288, tuple(1_290_560 + 2 * 147_456 * again for again in range(4))),
    "nested": Counted(314, SMALL_MACS, (SMALL_BACKWARD,)),
}


@pytest.fixture(scope="module", autouse=True)
def in_the_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The networks lie in the folder in which the user stands."""
    here = tmp_path_factory.mktemp("networks")
    shutil.copytree(FOLDER, here, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        yield here


@pytest.fixture(scope="module")
def server(in_the_folder: Path) -> Iterator[Server]:
    with Server(preload=("timed", "torchvision")) as server:
        yield server


@pytest.fixture(autouse=True)
def one_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """All commands ask one server, which would take seconds to start for each; a job has its own process."""
    monkeypatch.setattr(network_costs, "Server", lambda: nullcontext(server))
    monkeypatch.setattr(execute, "server_for", lambda cases, gpu=None, facts=True: StandingServer(server))


def costs(command_line: Command, *specs: str, size: tuple[object, ...] = SIZE) -> list[dict[str, Any]]:
    answer = command_line("cost", *specs, *size, "--format", "json")
    assert answer.code == 0, answer.err
    rows: list[dict[str, Any]] = json.loads(answer.out)
    return rows


def run(
    command_line: Command, out: Path, specs: list[str], *options: object, workload: str, threads: int = 1
) -> Answer:
    suite = out.with_suffix(".toml")
    models = json.dumps(specs)
    suite.write_text(
        f'{SUITE}[[cases]]\nmodel = {models}\nworkload = "{workload}"\nbatch = {BATCH}\n', "utf-8"
    )
    return command_line(
        *(
            "run",
            "--suite",
            suite,
            "--device",
            "cpu",
            "--threads",
            threads,
            *SIZE,
            "--no-ceilings",
            "--out",
            out,
        ),
        *options,
    )


def records(out: Path) -> dict[str, dict[str, Any]]:
    lines = (out / "records.jsonl").read_text("utf-8").splitlines()
    return {record["case"]["model"]: record for record in map(json.loads, lines)}


def value(record: Mapping[str, Any], phase: str, metric: str) -> float | None:
    return next(
        (
            m["samples"][0]
            for m in record["measurements"]
            if (m["phase"], m["metric"]) == (phase, metric) and not m.get("layer")
        ),
        None,
    )


def said(record: Mapping[str, Any]) -> str:
    """All words of a record."""
    warnings = [f"{each['label']}: {each['detail']}" for each in record.get("warnings", [])]
    return "\n".join([record.get("reason") or "", *warnings, *record.get("absent", {}).values()])


def has_time(record: Mapping[str, Any]) -> bool:
    return (
        value(record, "step" if record["case"]["workload"] == "training" else "forward", "wall_time")
        is not None
    )


# --- what a network costs, whoever computes it


@pytest.fixture(scope="module")
def counted() -> dict[str, Any]:
    """By the name of the factory; filled by the first test that asks."""
    return {}


@pytest.fixture
def rows(command_line: Command, counted: dict[str, Any]) -> dict[str, Any]:
    if not counted:
        found = costs(command_line, *(f"counted.py:{name}" for name in COUNTED))
        counted |= dict(zip(COUNTED, found, strict=True))
    return counted


@pytest.mark.parametrize("name", COUNTED)
def test_cost_counts_what_is_computed(name: str, rows: dict[str, Any]) -> None:
    expected, row = COUNTED[name], rows[name]
    assert row["parameters"] == expected.parameters
    assert row["macs"] == expected.macs
    assert row["flops_forward"] == 2 * expected.macs
    if expected.backward:
        assert row["flops_backward"] in expected.backward


@pytest.mark.parametrize("name", ["einsum", "attending", "gram", "nested", "plain_tensor", "thrice"])
def test_the_rows_of_a_network_add_up(name: str, command_line: Command) -> None:
    answer = command_line("cost", f"counted.py:{name}", *SIZE, "--layers", "--format", "json")
    assert answer.code == 0, answer.err
    text = json.loads(answer.out)
    layers = text[0]["layers"] if isinstance(text, list) else text["layers"]
    assert sum(layer["macs"] for layer in layers) == COUNTED[name].macs
    assert sum(layer["parameters"] for layer in layers) == COUNTED[name].parameters


def test_a_step_counts_what_cost_counts(command_line: Command, tmp_path: Path) -> None:
    for workload in ("inference", "training"):
        specs = {f"counted.py:{name}": figures for name, figures in COUNTED.items()}
        answer = run(command_line, tmp_path / workload, list(specs), workload=workload)
        assert answer.code == 0, answer.err
        found = records(tmp_path / workload)
        for spec, expected in specs.items():
            record = found[spec]
            assert value(record, "model", "parameters") == expected.parameters, spec
            assert value(record, "forward", "flops") == 2 * BATCH * expected.macs, spec
            if workload == "training" and expected.backward:
                backward = value(record, "backward", "flops")
                assert backward in [BATCH * each for each in expected.backward], spec


# --- what is asked beside the time


UNPROBED = ("looks_at_values", "no_copies", "dies_without_data", "four_at_a_time", "exits_without_data")


def test_time_is_measured_whatever_a_probe_meets(command_line: Command, tmp_path: Path) -> None:
    specs = [f"unprobed.py:{name}" for name in UNPROBED]
    for workload in ("inference", "training"):
        answer = run(command_line, tmp_path / workload, specs, workload=workload)
        assert "Traceback" not in answer.err + answer.out
        for spec, record in records(tmp_path / workload).items():
            assert record["status"] == "ok", (spec, record["reason"])
            assert has_time(record), spec
            flops = value(record, "forward", "flops")
            assert flops in (2 * BATCH * SMALL_MACS, None), spec
            assert flops or "flops" in record["absent"], (spec, said(record))


def test_a_count_that_ends_its_process_takes_no_other_with_it(command_line: Command) -> None:
    answer = command_line("cost", "unprobed.py:looks_at_values", "unprobed.py:dies_without_data", *SIZE)
    assert answer.code in (0, 2)
    assert answer.code == 0 or is_one_sentence(answer.err), answer.err
    assert answer.code == 0 or "dies_without_data" in answer.err


# --- networks that are not from a tensor to a tensor


RIGHT_OUTPUTS = {
    "deep": (314, SMALL_MACS, True),
    "attributed": (314, SMALL_MACS, True),
    "in_dataclass": (314, SMALL_MACS, True),
    "segments": (280, 69_120, True),
    "decides": (314, SMALL_MACS, False),
    "regresses": (314, SMALL_MACS, None),
    "with_counter": (315, SMALL_MACS, True),
    "tied": (480, 960, True),
    "batch_normalised": (330, SMALL_MACS, True),
    "lazy": (314, SMALL_MACS, True),
    "clamped": (314, SMALL_MACS, True),
    "without_eval": (314, SMALL_MACS, True),
    "five_outputs": (269, 55_336, True),
}
"""Parameters, MACs, and whether it can be trained with a usual loss; None where either answer is right."""


@pytest.mark.parametrize("workload", ["inference", "training"])
def test_outputs_of_any_kind(workload: str, command_line: Command, tmp_path: Path) -> None:
    specs = {f"outputs.py:{name}": expected for name, expected in RIGHT_OUTPUTS.items()}
    answer = run(command_line, tmp_path / "run", list(specs), workload=workload)
    assert "Traceback" not in answer.err + answer.out
    found = records(tmp_path / "run")
    for spec, (parameters, macs, trainable) in specs.items():
        record = found[spec]
        refused = workload == "training" and record["status"] in ("invalid", "skipped")
        if refused:
            assert not trainable, (spec, record["reason"])
            words = record["reason"].lower()
            assert len(record["reason"].splitlines()) == 1
            assert any(word in words for word in ("output", "returns", "loss", "gradient")), words
            continue
        assert record["status"] == "ok", (spec, record["reason"])
        assert trainable is not False or workload == "inference", spec
        assert value(record, "model", "parameters") == parameters, spec
        assert value(record, "forward", "flops") == 2 * BATCH * macs, spec
        assert has_time(record)


def test_cost_says_how_many_outputs_a_network_has(command_line: Command) -> None:
    five, ten = costs(command_line, "outputs.py:five_outputs", "outputs.py:lazy")
    assert "the network has 5 outputs, where --classes is 10" in five["notes"]
    assert not any("outputs" in note for note in ten["notes"])


def test_images_that_a_network_changes_and_outputs_that_are_no_numbers(
    command_line: Command, tmp_path: Path
) -> None:
    run(command_line, tmp_path / "run", ["outputs.py:adds", "outputs.py:not_finite"], workload="inference")
    found = records(tmp_path / "run")
    adds, not_finite = found["outputs.py:adds"], found["outputs.py:not_finite"]
    assert any(word in said(adds).lower() for word in ("in place", "in-place", "finite")), said(adds)
    assert "finite" in said(not_finite)


def test_batch_statistics_of_one_image_are_refused_by_their_cause(
    command_line: Command, tmp_path: Path
) -> None:
    run(command_line, tmp_path / "run", ["outputs.py:batch_normalised"], "--batch", 1, workload="training")
    (record,) = records(tmp_path / "run").values()
    assert record["status"] in ("invalid", "skipped")
    assert "batch" in record["reason"].split("Error")[0].lower()


def test_convolutions_of_every_dimension_under_channels_last(command_line: Command, tmp_path: Path) -> None:
    run(
        command_line,
        tmp_path / "run",
        ["outputs.py:volumes"],
        "--layout",
        "channels-last",
        workload="inference",
    )
    (record,) = records(tmp_path / "run").values()
    if record["status"] != "ok":
        assert record["status"] in ("invalid", "skipped")
        assert "channels-last" in record["reason"] or "layout" in record["reason"]
        return
    assert value(record, "model", "parameters") == 224 + 3 + 64 + 90
    # 256 positions of 8 planes with 3 taps; 256 * 64; and the small network.
    assert value(record, "forward", "flops") == 2 * BATCH * (SMALL_MACS + 256 * 8 * 3 + 256 * 64)


# --- what a row says is what ran


def test_threads_that_a_network_changes_are_told(command_line: Command, tmp_path: Path) -> None:
    answer = run(command_line, tmp_path / "run", ["states.py:one_thread"], workload="inference", threads=2)
    assert answer.code in (0, 1)
    (record,) = records(tmp_path / "run").values()
    assert "thread" in said(record), said(record)


def test_code_that_is_compiled_already_is_told_or_unwrapped(command_line: Command, tmp_path: Path) -> None:
    specs = ["states.py:compiled_part", "states.py:scripted_part"]
    run(command_line, tmp_path / "run", specs, workload="inference")
    for spec, record in records(tmp_path / "run").items():
        assert record["status"] in ("ok", "invalid", "skipped"), (spec, record["reason"])
        if record["status"] == "ok":
            assert value(record, "forward", "flops") in (2 * BATCH * SMALL_MACS, None), spec
            assert value(record, "forward", "flops") or "flops" in record["absent"]
    scripted = records(tmp_path / "run")["states.py:scripted_part"]
    assert "script" in said(scripted).lower()


def test_what_a_factory_sets_for_the_process_does_not_hold_for_the_steps(
    command_line: Command, tmp_path: Path
) -> None:
    specs = ["states.py:half_by_default", "set_by_default_device.py:build"]
    run(command_line, tmp_path / "run", specs, workload="training", threads=2)
    for spec, record in records(tmp_path / "run").items():
        assert record["status"] == "ok", (spec, record["reason"])
        effective = record["effective"]
        assert effective["machine"]["threads"] == "2", spec
        assert effective["precision"]["weights"] == "float32", spec
        assert effective["precision"]["matmul"] == "ieee", spec
        assert value(record, "backward", "flops") == BATCH * SMALL_BACKWARD, spec


def test_a_graph_without_its_convolution_is_no_silent_compiled_row(
    command_line: Command, tmp_path: Path
) -> None:
    run(command_line, tmp_path / "run", ["states.py:broken"], "--engine", "compile", workload="inference")
    (record,) = records(tmp_path / "run").values()
    if "C++ compiler" in said(record):
        pytest.skip("torch.compile has no C++ compiler here")
    breaks = value(record, "model", "graph_breaks") or 0
    assert breaks > 0 or any(word in said(record).lower() for word in ("eager", "graph")), said(record)


# --- which network it was


NET = """
from torch import nn

def build(classes=10):
    return nn.Sequential({}, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
"""
EDITS = {
    "stride": "nn.Conv2d(3, 8, 3, padding=1, stride=2)",
    "layer": "nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()",
    "kernel": "nn.Conv2d(3, 8, (1, 9), padding=(0, 4))",
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_network_that_was_edited_is_another_one(edit: str, command_line: Command, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(NET.format("nn.Conv2d(3, 8, 3, padding=1)"), "utf-8")
    assert run(command_line, tmp_path / "run", [f"{file}:build"], workload="inference").code == 0
    before = (tmp_path / "run" / "records.jsonl").read_bytes()
    file.write_text(NET.format(EDITS[edit]), "utf-8")
    again = run(
        command_line, tmp_path / "run", [f"{file}:build"], "--resume", "--replicates", 2, workload="inference"
    )
    assert again.code == 2
    assert is_one_sentence(again.err), again.err
    assert (tmp_path / "run" / "records.jsonl").read_bytes() == before


def test_a_comment_makes_no_other_network(command_line: Command, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(NET.format("nn.Conv2d(3, 8, 3, padding=1)"), "utf-8")
    assert run(command_line, tmp_path / "run", [f"{file}:build"], workload="inference").code == 0
    file.write_text(NET.format("nn.Conv2d(3, 8, 3, padding=1)") + "# tidied up\n", "utf-8")
    again = run(
        command_line, tmp_path / "run", [f"{file}:build"], "--resume", "--replicates", 2, workload="inference"
    )
    assert again.code == 0, again.err
    assert len((tmp_path / "run" / "records.jsonl").read_text("utf-8").splitlines()) == 2


# --- files and what stands in them


WIDE_PARAMETERS = 16 * 27 + 16 + 16 * 10 + 10


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ("factories.py:build", 314),
        ("factories.py:wide", WIDE_PARAMETERS),
        ("factories.py:short", 4 * 28 + 4 * 10 + 10),
        ("factories.py:build(width=4)", 4 * 28 + 4 * 10 + 10),
        ("factories.py:build(4, depth=2)", 4 * 28 + 4 * 37 + 4 * 10 + 10),
        ("factories.py:build(width=16, name='a, b: (c)')", WIDE_PARAMETERS),
    ],
)
def test_a_factory_is_called_as_it_is_written(spec: str, parameters: int, command_line: Command) -> None:
    (row,) = costs(command_line, spec)
    assert row["parameters"] == parameters


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("factories.py:Wide", ("width",)),
        ("factories.py:wants", ("width",)),
        ("factories.py:with_transform", ("tuple",)),
        ("factories.py:nothing", ("none",)),
        ("factories.py:weights", ("dict", "state")),
        ("factories.py:later", ("async", "coroutine")),
        ("factories.py:number", ("int", "callable")),
        ("factories.py:biuld", ("build",)),
        ("factories.py:build(width=__import__('os').getpid())", ("literal",)),
        ("factories.py:build(breadth=4)", ("breadth",)),
        ("factories.py:build(", ("read", "bracket", "parenthes", "closed")),
        ("torchvision:resnet*0x", ("resnet",)),
        ("hf:bert", ("hf", "accepted")),
    ],
)
def test_what_is_no_factory_is_refused_by_its_cause(
    spec: str, words: tuple[str, ...], command_line: Command
) -> None:
    answer = command_line("cost", spec, *SIZE)
    assert answer.code == 2, answer.out
    assert is_one_sentence(answer.err), answer.err
    assert any(word in answer.err.lower() for word in words), answer.err


@pytest.mark.parametrize("name", ["my net #2", "größe", "a+b", "50%", "it's", "v1.2", "x,y", "torchvision"])
def test_a_folder_has_any_name(name: str, command_line: Command, in_the_folder: Path) -> None:
    folder = in_the_folder / name
    folder.mkdir(exist_ok=True)
    shutil.copy(FOLDER / "factories.py", folder / "my.net.py")
    answer = command_line("cost", f"{name}/my.net.py:build", *SIZE, "--format", "json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)[0]["parameters"] == 314


# --- inputs of other shapes


def test_tokens_and_several_inputs(command_line: Command, tmp_path: Path) -> None:
    specs = ["tokens.py:build", "pairs.py:build"]
    for workload in ("inference", "training"):
        suite = tmp_path / f"{workload}.toml"
        suite.write_text(
            f'{SUITE}[[cases]]\nmodel = {json.dumps(specs)}\nworkload = "{workload}"\nbatch = {BATCH}\n',
            "utf-8",
        )
        answer = command_line(
            *("run", "--suite", suite, "--device", "cpu", "--threads", 1, "--no-ceilings"),
            *("--out", tmp_path / workload),
        )
        assert answer.code == 0, answer.err
        tokens, pairs = map(records(tmp_path / workload).get, specs)
        assert tokens is not None
        assert pairs is not None
        # Embedding, attention (in and out), two linear layers, two norms, the head.
        assert value(tokens, "model", "parameters") == 800 + 816 + 272 + 544 + 528 + 64 + 170
        # 12 tokens: projections 3*256, products 2*12*16, output 256, two of 512; the head once.
        macs = 12 * (768 + 384 + 256 + 1024) + 160
        assert value(tokens, "forward", "flops") == 2 * BATCH * macs
        assert value(pairs, "model", "parameters") == 40 + 90
        assert value(pairs, "forward", "flops") == 2 * BATCH * (96 * 36 + 36 * 36 + 80)
        inputs = BATCH * 4 * (96 + 36 + 1) + (8 * BATCH if workload == "training" else 0)
        assert value(pairs, "model", "inputs") == inputs


def test_images_that_are_not_square(command_line: Command) -> None:
    (row,) = costs(command_line, "counted.py:einsum", size=("--input", "3x8x32", "--classes", 10))
    assert row["macs"] == SMALL_MACS  # 8 * 32 is 16 * 16
    assert row["flops_backward"] == SMALL_BACKWARD


def test_inputs_of_another_batch_are_named(command_line: Command) -> None:
    answer = command_line("cost", "wrong_inputs.py:build", "--batch", 2)
    assert answer.code == 2
    assert is_one_sentence(answer.err), answer.err
    assert "inputs" in answer.err
    assert "batch" in answer.err


# --- networks of other libraries


def test_wildcards_name_the_networks_of_torchvision(command_line: Command) -> None:
    answer = command_line("cost", "torchvision:resnet[13]?", "--format", "json")
    assert answer.code == 0, answer.err
    found = {row["model"]: row["parameters"] for row in json.loads(answer.out)}
    assert found == {"torchvision:resnet18": 11_689_512, "torchvision:resnet34": 21_797_672}


def test_networks_with_auxiliary_heads_as_they_were_published(command_line: Command) -> None:
    googlenet, inception = costs(command_line, "torchvision:googlenet", "torchvision:inception_v3", size=())
    assert googlenet["parameters"] == 6_624_904
    assert inception["parameters"] == 27_161_264
    assert inception["image"] == 299
    assert googlenet["macs"] / 1e9 == pytest.approx(1.498, rel=0.01)
    assert inception["macs"] / 1e9 == pytest.approx(5.713, rel=0.01)
