"""Streams as a shell hands them over: in ASCII, closed, full, without a reader, of no width."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from bench.cli import streams
from bench.runner.execute import RunResult
from bench.schema import plain_text
from bench.schema.case import Case
from bench.store import RECORDS, Store
from reports.drawing.sparkline import BLOCKS
from tests.planted import planted_records
from tests.planted.commands import ROOT, Command, is_one_sentence

COMMAND = f"{sys.executable} -m bench"


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A line of bash; its exit code is that of the command before a pipe."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **variables}
    command = ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=300)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run whose only network has a name beyond ASCII, and so has its reason."""
    folder = tmp_path / "run"
    record = planted_records.record(Case(model="näive.py:make"), planted_records.time("forward", 0.1))
    with Store.create(folder) as store:
        store.append(record)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1:strict"},
    ],
    ids=["stream", "locale", "latin-1"],
)
def test_what_an_encoding_lacks_is_written_in_plain_signs(run: Path, variables: dict[str, str]) -> None:
    done = shell(f"{COMMAND} report {run} --format terminal | cat", **variables)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"---" in done.stdout  # the rule below a table's head
    letters = "näive".encode("latin-1") if "latin-1" in str(variables) else b"naive"
    assert letters + b".py:make" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["list --format json", "--help", "run --help"])
def test_a_reader_that_is_gone_or_never_was_is_no_failure(arguments: str) -> None:
    for end in ("| true", ">&-", ">&- 2>&- <&-"):
        done = shell(f"{COMMAND} {arguments} {end}")
        assert (done.returncode, done.stderr) == (0, b""), end


@pytest.mark.slow
def test_a_run_whose_reader_is_gone_says_how_it_went_and_nothing_of_the_reader(tmp_path: Path) -> None:
    """Its lines are those of any piped run; with -q there are none."""
    words = "run --model lenet5 --threads 1 --replicates 1 --target-ci 100% --no-ceilings"
    for option in ("", "-q"):
        folder = tmp_path / f"run{option}"
        done = shell(f"{COMMAND} {words} {option} --out {folder} | true")
        assert done.returncode == 0, done.stderr
        lines = done.stderr.decode().splitlines()
        assert bool(lines) == (option == "")
        assert all(line.startswith("convbench: ") for line in lines)
        assert "pipe" not in done.stderr.decode().lower()
        assert (folder / RECORDS).read_bytes().count(b"\n") == 1
        again = shell(f"{COMMAND} report {folder} -o /dev/stdout | true")
        assert (again.returncode, again.stderr) == (0, b"")


def test_the_numbers_of_closed_streams_are_not_given_to_other_files(tmp_path: Path) -> None:
    """Else the next file that is opened would get what a library prints on descriptor 1."""
    code = "from bench.cli import streams; streams.prepare(); import os; "
    code += f"f = open({str(tmp_path / 'records')!r}, 'w'); print('lost', flush=True); os.write(1, b'lost')"
    done = shell(f'{sys.executable} -c "{code}" <&- >&- 2>&-')
    assert done.returncode == 0
    assert (tmp_path / "records").read_bytes() == b""


@pytest.mark.slow
def test_a_full_disk_is_a_sentence_or_silence() -> None:
    done = shell(f"{COMMAND} --help > /dev/full")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"No space left" in done.stderr
    assert shell(f"{COMMAND} lst 2> /dev/full").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["0", "20", "-5", "many"])
def test_a_terminal_of_any_width_shows_a_report(run: Path, columns: str) -> None:
    parent, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": columns, "TERM": "xterm"}
    command = [*COMMAND.split(), "report", str(run), "--format", "terminal"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=terminal, stderr=subprocess.PIPE) as it:
        os.close(terminal)
        shown = b""
        with open(parent, "rb", buffering=0) as screen:  # noqa: PTH123 - a descriptor
            try:
                while part := screen.read(4096):
                    shown += part
            except OSError:  # how Linux says that the other end is closed
                pass
        assert it.stderr is not None
        assert it.stderr.read() == b""
    assert it.returncode == 0
    assert b"100" in shown
    assert b"Next: convbench" in shown


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["md", "csv", "json", "terminal"])
def test_forced_colours_are_for_terminals(run: Path, format_: str) -> None:
    forced = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "NO_COLOR": ""}
    done = shell(f"{COMMAND} report {run} --format {format_} | cat", **forced)
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout + done.stderr


def test_names_that_are_no_utf_8(command_line: Command, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = os.fsdecode(bytes(run) + b"-\xe9")
    run.rename(odd)
    monkeypatch.chdir(run.parent)
    assert command_line("report", odd, "--format", "json").rows()
    answer = command_line("report", odd + "-missing")
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    monkeypatch.setattr("bench.runner.execute.run_plan", lambda *given, **options: RunResult)
    for options in (("--model", os.fsdecode(b"n\xe9t.py:make"), "--out", "x"),):
        answer = command_line("run", *options)
        assert answer.code == 2
        assert is_one_sentence(answer.err)
        assert "n\\xe9t.py:make is not a UTF-8 name" in answer.err


def test_a_folder_that_no_message_could_name_is_refused_before_it_is_made(
    command_line: Command, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"r\xe9sum\xe9")
    answer = command_line("run", "--suite", "smoke", "--out", folder)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert "r\\xe9sum\\xe9 is not a UTF-8 name" in answer.err
    assert not folder.exists()


def test_a_record_keeps_what_a_variable_says_that_is_no_text(tmp_path: Path) -> None:
    record = planted_records.record(Case(model="lenet5"), planted_records.time("forward", 0.1))
    odd = os.fsdecode(b"/opt/\xe9.so")
    assert record.environment is not None
    variables = {"LD_PRELOAD": odd}
    environment = structs.replace(record.environment, host=odd, variables=variables)
    with Store.create(tmp_path) as store:
        store.append(structs.replace(record, environment=environment))
        (kept,) = store.records()
    assert kept.environment is not None
    assert kept.environment.host == "/opt/\\xe9.so"
    assert kept.environment.variables == {"LD_PRELOAD": "/opt/\\xe9.so"}


@pytest.mark.parametrize(
    ("name", "text"),
    [("é", "é"), (os.fsdecode(b"a\xe9"), "a\\xe9"), ("\udcc3\udca9", "é"), ("\ud800", "\\ud800")],
)
def test_any_name_has_a_text(name: str, text: str) -> None:
    assert plain_text.as_text(name) == text
    assert (plain_text.why_no_text(name) is None) == (name == text)


@pytest.mark.parametrize("marks", [("", "\n"), ("\ufeff", ""), ("\ufeff", "\r\n\n"), ("\n\n", "  ")])
def test_what_an_editor_leaves_in_records_is_read_over(run: Path, marks: tuple[str, str]) -> None:
    path = run / RECORDS
    line = path.read_text(encoding="utf-8")
    path.write_text(marks[0] + line + marks[1], encoding="utf-8", newline="")
    with Store.resume(run) as store:
        assert store.warning is None
        (before,) = store.records()
        store.append(before)
        assert [record.sequence for record in store.records()] == [1, 2]


def test_records_in_utf_16_are_refused_and_left_alone(command_line: Command, run: Path) -> None:
    path = run / RECORDS
    written = path.read_text(encoding="utf-8").encode("utf-16")
    path.write_bytes(written)
    for command in (("report", run), ("run", "--suite", "smoke", "--resume", "--out", run)):
        answer = command_line(*command)
        assert answer.code == 2
        assert is_one_sentence(answer.err)
        assert "UTF-16" in answer.err
    assert path.read_bytes() == written


def test_a_suite_that_an_editor_saved_with_a_byte_order_mark(command_line: Command, tmp_path: Path) -> None:
    suite = tmp_path / "own.toml"
    suite.write_text(
        '\ufeffname = "own"\r\n\r\n[[cases]]\r\nmodel = "lenet5"\r\n', encoding="utf-8", newline=""
    )
    answer = command_line("run", "--dry-run", "--suite", suite, "--out", tmp_path / "x")
    assert (answer.code, answer.err) == (0, "")


def test_a_line_of_blocks_is_a_line_of_other_signs_in_ascii() -> None:
    """No two heights look alike."""
    streams.prepare()
    assert BLOCKS.encode("ascii", "convbench-plain") == b"_.,-=+*#"
