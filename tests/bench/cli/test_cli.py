"""The command line: exit codes, one sentence for whatever is wrong, and no torch where it is not needed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.cli import exit_code, kept_run
from bench.runner import case_server, plan_file
from bench.runner import execute as runner
from bench.runner.execute import RunResult
from bench.runner.rounds import Target, Wide
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import Measurement, Record, Status
from bench.store import RECORDS, Store
from tests.planted.commands import ROOT, Answer, Command, is_one_sentence


def real(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


BAD_OPTIONS = [
    (["--model", "lenet6"], "Did you mean 'lenet5'"),
    (["--model", "lenet5,vgg"], "unknown model 'vgg'"),
    (["--model", ""], "model must be a name"),
    (["--model", "nets.py"], "names no function"),
    (["--model", "/missing/nets.py:make"], "cannot read /missing/nets.py"),
    (["--model", "no_such_package:make"], "no package or module 'no_such_package'"),
    (["--model", "torchvision:resnet81"], "Did you mean 'resnet18'"),
    (["--suite", "quik"], "Did you mean 'quick'"),
    (["--suite", "missing.toml"], "missing.toml: No such file"),
    (["--workload", "train"], "Did you mean 'training'"),
    (["--device", "tpu"], "unknown device 'tpu'"),
    (["--precision", "fp23"], "Did you mean 'fp32'"),
    (["--engine", "compiled"], "Did you mean 'compile'"),
    (["--layout", "nchv"], "Did you mean 'nchw'"),
    (["--format", "jsn"], "Did you mean 'json'"),
    (["--target-ci", "0"], "--target-ci must be a number above 0"),
    (["--target-ci", "nan"], "--target-ci must be a number above 0"),
    (["--target-ci", ""], "--target-ci must be a number above 0"),
    (["--time-limit", "-3"], "--time-limit must be a number of seconds above 0"),
    (["--time-limit", "inf"], "--time-limit must be a number of seconds above 0"),
    (["--budget", "ten"], "--budget must be a number of seconds above 0"),
    (["--budget", ""], "--budget must be a number of seconds above 0"),
    (["--replicates", "0"], "--replicates must be a whole number from 1 to 1000"),
    (["--replicates", ""], "--replicates must be a whole number from 1 to 1000"),
    (["--replicates", "2.5"], "--replicates must be a whole number from 1 to 1000"),
    (["--until", "0"], "--until must be a number above 0 and up to 1, got '0'"),
    (["--until", "5"], "--until must be a number above 0 and up to 1, got '5'. Did you mean 5%?"),
    (["--until", "5 %"], "--until must be a number above 0 and up to 1, got '5 %'"),
    (["--until", ""], "--until must be a number above 0 and up to 1, got ''"),
    (["--until", "5%", "--replicates", "3"], "give --replicates (a fixed number of processes)"),
    (["--model", "vgg16", "--image", "16"], "smallest image that works is 32x32"),
    (["--precision", "tf32", "--device", "cpu"], "run on this machine: tf32"),
    (["--engine", "cudagraph", "--device", "cpu"], "needs --device cuda"),
    (["--model", "torchvision:resnet18", "--channels", "1"], "3 channels only"),
    (["--bacth", "3"], "unknown option '--bacth'. Did you mean '--batch'?"),
    (["--batch"], "--batch needs a value"),
    (["surplus"], "unexpected argument 'surplus'"),
]
NUMBERS = ("batch", "image", "channels", "classes", "threads", "seed")
BAD_NUMBERS = ("-1", "--5", "1e3", "", "nan", "٣", str(10**30), "1,x")
BAD_OPTIONS += [
    ([f"--{axis}", value], f"{axis} must be a whole number from") for axis in NUMBERS for value in BAD_NUMBERS
]


@pytest.mark.parametrize(("arguments", "words"), BAD_OPTIONS, ids=lambda value: ascii(value)[:60])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
def test_bad_options_end_with_2_and_a_sentence_before_anything_is_written(
    command_line: Command, tmp_path: Path, arguments: list[str], words: str, dry: list[str]
) -> None:
    answer = command_line("run", "--out", tmp_path / "run", *dry, *arguments)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert words.lower() in answer.err.lower()
    assert answer.out == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["measure"], "unknown command 'measure'"),
        (["list", "modles"], "Did you mean 'models'"),
        (["list", "--format", "yaml"], "unknown format 'yaml'"),
        (["report"], "FOLDER... is missing. Usage: convbench report"),
        (["report", "/missing"], "/missing"),
        (["cost"], "MODEL... is missing. Usage: convbench cost"),
        (["cost", "lenet6"], "Did you mean 'lenet5'"),
        (["cost", "vgg16", "--image", "0"], "image must be a whole number"),
        (["cost", "vgg16", "--batch", ""], "batch must be a whole number"),
        (["--verbose"], "unknown option '--verbose'"),
    ],
)
def test_bad_commands_end_with_2_and_a_sentence(
    command_line: Command, arguments: list[str], words: str
) -> None:
    answer = command_line(*arguments)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert words in answer.err


@pytest.mark.parametrize(
    "text", ["", "[[cases]]\nbatch = 1", "[[cases]]\nmodel = 'lenet5'\nbatchs = 3", "x ="]
)
def test_a_bad_suite_file(command_line: Command, tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    answer = command_line("run", "--out", tmp_path / "run", "--suite", tmp_path / "mine.toml", "--dry-run")
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert "mine.toml" in answer.err


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("file", "is a file"),
        ("file/run", "Not a directory"),
        ("a" * 300, "File name too long"),
        ("/proc/convbench", "No such file"),
        ("used", "already contains a run"),
    ],
)
def test_a_folder_that_cannot_be_used(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, words: str
) -> None:
    """Where a server would have to start first, none is needed to find that out here."""
    (tmp_path / "file").write_text("kept")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / RECORDS).write_text("foreign\n")
    monkeypatch.setattr(case_server, "Server", NoServer)
    monkeypatch.setattr(runner, "unrunnable", lambda planned, server: {})
    answer = command_line("run", "--model", "lenet5", "--out", tmp_path / out)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert answer.err.startswith("convbench: ")
    assert answer.err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "kept"
    assert (tmp_path / "used" / RECORDS).read_text() == "foreign\n"


class NoServer:
    """Stands for the fork server where none is needed."""

    def __init__(self, **options: object) -> None: ...

    def begin(self) -> None: ...

    def __enter__(self) -> NoServer:
        return self

    def __exit__(self, *error: object) -> None: ...


@pytest.mark.parametrize("text", ["", "foreign\n", '{"schema":9}\n', "\0\0\0", '[1]\n{"schema":1,'])
def test_reports_of_files_that_are_none(command_line: Command, tmp_path: Path, text: str) -> None:
    (tmp_path / RECORDS).write_text(text)
    answer = command_line("report", tmp_path)
    assert answer.code == 2
    assert is_one_sentence(answer.err.splitlines()[-1] + "\n")
    assert (tmp_path / RECORDS).read_text() == text


def planted_run(directory: Path, statuses: list[Status]) -> None:
    """A run whose cases ended so."""
    with Store.create(directory) as store:
        for replicate, status in enumerate(statuses, start=1):
            case = Case(model="lenet5", image=28, channels=1, classes=10, replicate=replicate)
            wall = Measurement(phase="forward", metric="wall_time", unit="s", samples=[0.001] * 20)
            store.append(
                Record(
                    case=case,
                    protocol=MeasurementProtocol(),
                    status=status,
                    reason=None if status == "ok" else f"planted {status}",
                    measurements=[wall] if status == "ok" else [],
                    started_at="2026-01-01T00:00:00+00:00",
                )
            )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["ok", "ok"], 3),
        (["ok", "skipped"], 3),
        (["ok", "oom"], 1),
        (["timeout", "ok"], 1),
        (["crashed"], 1),
        (["ok", "invalid", "skipped"], 1),
    ],
)
def test_the_exit_code_says_whether_a_case_failed_or_was_left(
    command_line: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    statuses: list[Status],
    code: int,
) -> None:
    def execute(
        planned: list[Case], protocol: MeasurementProtocol, directory: Path, **options: object
    ) -> RunResult:
        planted_run(directory, statuses)
        counted = {status: statuses.count(status) for status in statuses}
        return RunResult(statuses=counted, remaining=3, warning="a line was repaired")

    monkeypatch.setattr(runner, "run_plan", execute)
    answer = command_line(
        "run", "--model", "lenet5", "--out", tmp_path / "run", "--replicates", 4, "--budget", 9
    )
    assert answer.code == code
    assert "convbench: a line was repaired\n" in answer.err
    assert (
        "time budget used up, 3 of 4 processes not measured. Continue with: convbench run --mod" in answer.err
    )
    assert answer.err.endswith(f"convbench: report: {tmp_path}/run/report.md\n")
    assert "lenet5" in (tmp_path / "run" / "report.md").read_text()
    assert "LeNet-5" in answer.out


def test_options_reach_the_run(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[Case], MeasurementProtocol, Path, dict[str, object]]] = []

    def execute(
        planned: list[Case], protocol: MeasurementProtocol, directory: Path, **options: object
    ) -> RunResult:
        seen.append((planned, protocol, directory, options))
        return RunResult(statuses={}, remaining=0, warning=None)

    monkeypatch.setattr(runner, "run_plan", execute)
    line = "run --model lenet5,vgg11 --model alexnet --workload training --device cpu --precision bf16,fp32"
    line += " --engine compile --layout channels-last --batch 2 --image 64 --channels 1 --classes 7"
    line += (
        " --threads 3 --seed 9 --replicates 2 --target-ci 2% --time-limit 45 --budget 1e3 --resume --flush-l2"
    )
    command_line(*line.split(), "--out", tmp_path / "run")
    ((planned, protocol, directory, options),) = seen
    assert len(planned) == 3 * 2 * 2
    expected = Case(
        model="vgg11",
        workload="training",
        precision="bf16",
        engine="compile",
        layout="channels-last",
        batch=2,
        image=64,
        channels=1,
        classes=7,
        threads=3,
        seed=9,
        replicate=2,
    )
    assert expected in planned
    assert (protocol.target_ci, protocol.time_limit_seconds, protocol.caches) == (0.02, 45.0, "cold L2")
    assert directory == tmp_path / "run"
    assert (options["resume"], options["budget_seconds"]) == (True, 1000.0)


@pytest.mark.parametrize(
    ("halves", "is_last", "words"),
    [
        ([0.123, 0.061], False, "2 of 4 cases have intervals wider than ±5%, the widest vgg11"),
        ([0.061], True, "(±6.1%) is wider than ±5%, after 10 processes each"),
        ([3.94], False, "(±394%) is wider than ±5%. Continue with: convbench run --resume --out runs/1"),
        ([1.7e5], True, "(more than ±1,000%) is wider than ±5%, after 10"),
        ([None], False, "(no interval yet) is wider than ±5%. Continue"),
        ([], False, None),
    ],
)
def test_the_end_says_which_intervals_are_too_wide(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    halves: list[float | None],
    is_last: bool,
    words: str | None,
) -> None:
    monkeypatch.setattr(sys, "argv", ["convbench", "run"])
    kept_run.current.begin(Path("runs/1"))
    cases = [Case(model=model) for model in ("vgg11", "vgg13", "vgg16", "vgg19")]
    wide = [Wide(case=case, half=half, is_last=is_last) for case, half in zip(cases, halves, strict=False)]
    target = Target(half=0.05, first=2, cases=cases)
    result = RunResult(statuses={"ok": 8}, remaining=0, warning=None, target=target, wide=wide)
    exit_code.say_left(result, 8)
    said = capsys.readouterr().err
    assert exit_code.code(result) == 0
    if words is None:
        assert said == ""
        return
    assert is_one_sentence(said)
    assert words in said
    assert ("after 10 processes each" in said) == is_last
    assert ("--resume" in said) != is_last


def test_a_run_is_resumed_by_its_folder_alone(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cases, the protocol and the target are those of the plan, and another option is refused."""
    seen: list[tuple[list[Case], MeasurementProtocol]] = []

    def execute(
        planned: list[Case], protocol: MeasurementProtocol, directory: Path, **options: object
    ) -> RunResult:
        seen.append((planned, protocol))
        plan = options["plan"]
        assert isinstance(plan, KeptPlan)
        directory.mkdir(exist_ok=True)
        plan_file.write(directory, plan)
        return RunResult(statuses={}, remaining=0, warning=None)

    monkeypatch.setattr(runner, "run_plan", execute)
    out = ("--out", tmp_path / "run")
    command_line("run", *out, "--model", "lenet5", "--until", "3%", "--target-ci", "2%", "--device", "cpu")
    assert command_line("run", *out, "--resume").code == 0
    assert seen[1] == seen[0]
    assert [case.replicate for case in seen[0][0]] == [1, 2, 3]
    command_line("run", *out, "--resume", "--replicates", 1)
    command_line("run", *out, "--resume")
    assert [len(planned) for planned, _ in seen[2:]] == [1, 1]
    refused = command_line("run", *out, "--resume", "--batch", 8)
    assert refused.code == 2
    assert is_one_sentence(refused.err)
    assert "--batch is 1 in the plan of" in refused.err
    assert (
        "got 8. With --resume only --replicates, --until, --budget and --ceilings may change" in refused.err
    )
    assert len(seen) == 4


def test_a_dry_run_says_what_the_target_may_add(command_line: Command, tmp_path: Path) -> None:
    line = ("run", "--dry-run", "--out", tmp_path / "run", "--model", "lenet5,vgg11", "--device", "cpu")
    said = " ".join(command_line(*line, "--until", "3%").out.split())
    assert "2 cases, 6 processes at first, then more for each case whose 95% interval is" in said
    assert "wider than ±3% (at most 10 per case): about" in said


def test_a_dry_run_shows_the_plan_an_estimate_and_what_is_skipped_and_writes_nothing(
    command_line: Command, tmp_path: Path
) -> None:
    line = ["run", "--dry-run", "--out", tmp_path / "run", "--model", "lenet5,vgg11", "--precision"]
    answer = command_line(*line, "fp32,tf32", "--replicates", 3, "--device", "cpu")
    assert (answer.code, answer.err) == (0, "")
    assert "2 cases, 6 processes: about" in answer.out
    assert "2 cases cannot run on this machine." in " ".join(answer.out.split())
    assert "tf32 needs an NVIDIA GPU" in " ".join(answer.out.split())
    rows = json.loads(command_line(*line, "fp32,tf32", "--replicates", 3, "--format", "json").out)["rows"]
    assert len(rows) == 12
    assert {(row["model"], row["precision"], row["skipped"] is None) for row in rows} == {
        ("lenet5", "fp32", True),
        ("vgg11", "fp32", True),
        ("lenet5", "tf32", False),
        ("vgg11", "tf32", False),
    }
    assert [row["replicate"] for row in rows] == [1] * 4 + [2] * 4 + [3] * 4
    assert list(tmp_path.iterdir()) == []


def test_a_short_plan_is_not_said_to_take_no_time(command_line: Command) -> None:
    answer = command_line("run", "--model", "lenet5", "--device", "cpu", "--dry-run", "--out", "unused")
    assert "about a minute or less" in answer.out


@pytest.mark.slow
def test_the_largest_suite_can_be_planned(command_line: Command, tmp_path: Path) -> None:
    answer = command_line("run", "--dry-run", "--suite", "full", "--out", tmp_path / "run", "--format", "csv")
    assert answer.code == 0
    assert len(answer.out.splitlines()) > 2700


@pytest.mark.parametrize("what", ["models", "suites", "axes", "all"])
@pytest.mark.parametrize("output", ["json", "md", "csv", "terminal"])
def test_lists_in_every_format(command_line: Command, what: str, output: str) -> None:
    answer = command_line("list", what, "--format", output)
    assert (answer.code, answer.err) == (0, "")
    if output == "json":
        assert json.loads(answer.out)["rows"]
    words = {"models": "vgg16-c", "suites": "standard", "axes": "precision"}
    for kind, word in words.items():
        if what in (kind, "all"):
            assert word in answer.out


def test_the_list_of_models_has_their_parameters(command_line: Command) -> None:
    rows = json.loads(command_line("list", "models", "--format", "json").out)["rows"]
    assert {row["name"]: row["parameters"] for row in rows}["lenet5"] == 61_706


def test_no_command_is_a_cry_for_help(command_line: Command) -> None:
    for arguments in ([], ["--help"], ["run", "--help"], ["report", "--help"], ["list", "--help"]):
        answer = command_line(*arguments)
        assert (answer.code, answer.err) == (0, "")
        assert "Usage" in answer.out


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    planted_run(tmp_path / "run", ["ok", "ok"])
    return tmp_path / "run"


@pytest.mark.slow
def test_a_report_goes_to_a_file_whole_or_not_at_all(
    command_line: Command, finished: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.md"
    target.write_text("older")
    link = tmp_path / "link.md"
    link.symlink_to(target)
    assert command_line("report", finished, "-o", link).code == 0
    assert "lenet5" in target.read_text()
    assert link.is_symlink(), "what a link points to is replaced, not the link"
    paragraphs = target.read_text().split("\n\n")
    without_pictures = [text for text in paragraphs if "link-plots/" not in text]
    printed = command_line("report", finished, "--format", "md").out.split("\n\n")
    assert without_pictures[:-1] == printed[:-1]  # the last one has the command
    assert {path.name for path in tmp_path.iterdir()} == {"run", "out.md", "link.md", "link-plots"}


@pytest.mark.parametrize("target", ["folder", "file/report.md", "missing/report.md", "a" * 300])
def test_a_report_that_cannot_be_written(
    command_line: Command, finished: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    answer = command_line("report", finished, "-o", tmp_path / target)
    assert answer.code == 2
    assert answer.err.startswith("convbench: cannot ")
    assert answer.err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "kept"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "file", "folder"}


def test_a_device_is_written_to_and_never_replaced(
    command_line: Command, finished: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True)
    try:
        assert command_line("report", finished, "-o", pipe).code == 0
        out, _ = reader.communicate(timeout=10)
    finally:
        reader.kill()
    assert "lenet5" in out
    assert pipe.is_fifo()


def test_ctrl_c_is_130(command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*arguments: object, **options: object) -> RunResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run_plan", pressed)
    answer = command_line("run", "--model", "lenet5", "--out", tmp_path / "run")
    told = "convbench: interrupted before anything was measured\n"
    assert answer == Answer(130, "", told)


def test_the_module_is_the_command_too() -> None:
    command = [sys.executable, "-m", "convbench", "cost", "vgg61"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("convbench: unknown model 'vgg61'")


@pytest.mark.slow
def test_a_full_disk_under_the_output_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bench", "list"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "convbench: cannot use the output: No space left on device\n"


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_failure() -> None:
    command = f"{sys.executable} -m bench run --dry-run --suite full --out x --format csv | head -n 1; "
    command += "exit ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "run --help",
        "list",
        "list --format json",
        "run --dry-run --out x",
        "run --dry-run --out x --suite standard --format json",
        "run --out x --model lenet6",
    ],
)
def test_what_needs_no_torch_does_not_import_it(tmp_path: Path, arguments: str) -> None:
    code = (
        "import sys\n"
        "from bench import cli\n"
        f"sys.argv = ['convbench', *{arguments.split()!r}]\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'fvcore', 'scipy', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_error_of_the_real_command_has_no_traceback(tmp_path: Path) -> None:
    done = real("run", "--out", tmp_path / "run", "--model", "lenet6")
    assert done.returncode == 2
    assert is_one_sentence(done.stderr)
    assert done.stdout == ""


@pytest.mark.slow
def test_one_real_run_from_the_command_to_the_report(tmp_path: Path) -> None:
    suite = tmp_path / "one.toml"
    suite.write_text(
        "replicates = 1\n[protocol]\nwarmup_seconds = 0.01\nmin_samples = 6\nsampling_seconds = 0.05\n"
        '[[cases]]\nmodel = "lenet5"\n'
    )
    folder = tmp_path / "run"
    done = real("run", "--suite", suite, "--device", "cpu", "--out", folder, "--format", "json")
    assert done.returncode == 0, done.stderr
    first, line, spent, last = done.stderr.splitlines()
    assert first == f"convbench: saving to {folder}"
    assert re.fullmatch(r"convbench: 1/1 lenet5/\S+ #1: [\d.]+ ms, took \d+ s", line)
    assert re.fullmatch(r"convbench: \d+ s: \w[\w ,]* \d+%(, [\w ]+ \d+%)+", spent)
    assert last == f"convbench: report: {folder}/report.md"
    rows = json.loads(done.stdout)["rows"]
    wall = [r for r in rows if (r["phase"], r["metric"]) == ("forward", "wall_time")]
    assert [row["processes"] for row in wall] == [1]
    assert "lenet5" in (folder / "report.md").read_text()
    (record,) = (folder / RECORDS).read_bytes().splitlines()
    assert msgspec.json.decode(record, type=Record).status == "ok"


@pytest.mark.slow
def test_a_real_run_with_a_cold_l2_says_so(tmp_path: Path) -> None:
    """On a CPU the last cache is written over."""
    suite = tmp_path / "one.toml"
    suite.write_text(
        "replicates = 1\n[protocol]\nwarmup_seconds = 0.01\nmin_samples = 6\nsampling_seconds = 0.05\n"
        '[[cases]]\nmodel = "lenet5"\n'
    )
    run = ("run", "--suite", suite, "--device", "cpu", "--flush-l2", "--out", tmp_path / "run")
    done = real(*run, "--format", "json")
    assert done.returncode == 0, done.stderr
    [wall] = [row for row in json.loads(done.stdout)["rows"] if row["metric"] == "wall_time"]
    assert wall["caches"] == "cold L2"
    assert "Caches: cold L2" in (tmp_path / "run" / "report.md").read_text()


@pytest.mark.parametrize(
    ("name", "options", "begins"),
    [
        ("page.html", [], "<!doctype html>"),
        ("rows.json", [], "{"),
        ("rows.csv", [], "model,"),
        ("report.txt", [], "# LeNet-5: "),
        ("page.html", ["--format", "md"], "# LeNet-5: "),
    ],
)
def test_a_report_has_the_format_of_its_file_unless_told(
    command_line: Command, finished: Path, tmp_path: Path, name: str, options: list[str], begins: str
) -> None:
    assert command_line("report", finished, *options, "-o", tmp_path / name).code == 0
    assert (tmp_path / name).read_text().lower().startswith(begins.lower())


@pytest.mark.parametrize("name", ["report.pdf", "page.htm"])
def test_a_file_of_a_kind_that_no_report_has_is_refused(
    command_line: Command, finished: Path, tmp_path: Path, name: str
) -> None:
    """It would hold markdown."""
    answer = command_line("report", finished, "-o", tmp_path / name)
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert all(end in answer.err for end in (name, ".md", ".html", ".csv", ".json"))
    assert not (tmp_path / name).exists()
    assert command_line("report", finished, "-o", tmp_path / name, "--format", "csv").code == 0


@pytest.mark.parametrize(
    "command", [["ceilings"], ["layers", "lenet5"], ["best", "lenet5"], ["max-batch", "lenet5"]]
)
def test_nothing_is_resumed_without_a_folder(command_line: Command, command: list[str]) -> None:
    answer = command_line(*command, "--resume")
    assert (answer.code, answer.out) == (2, "")
    assert "--resume needs --out FOLDER" in answer.err
    assert is_one_sentence(answer.err)


@pytest.mark.slow
def test_the_cost_of_several_networks_is_that_of_those_that_can_be_counted(command_line: Command) -> None:
    answer = command_line("cost", "lenet5", "vgg11", "--image", "8")
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    answer = command_line("cost", "vgg11", "lenet5", "--image", "28", "--json")
    assert answer.code == 1
    assert [each["model"] for each in json.loads(answer.out)] == ["lenet5"]
    assert is_one_sentence(answer.err)
    assert "vgg11 cannot take images of 28x28" in answer.err
