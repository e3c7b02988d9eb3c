"""`convbench merge`: a union with each record once, whatever the order, kills, full disks and conflicts."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from bench.fleet.merging import MergeResult, merge
from bench.plan import plan_processes, suite_plan
from bench.plan.suite_plan import Asked
from bench.runner import plan_file
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.merged import MERGED, Merged
from bench.schema.record import Record
from bench.store import LOCK, RECORDS, read_records
from models.errors import UserError
from tests.planted import planted_records
from tests.planted.commands import ROOT, Command, is_one_sentence
from tests.planted.planted_records import GPU, MACHINE, time, write

LENET = Case(model="lenet5", image=28, channels=1, classes=10)


def process(node: str, replicate: int = 1, *, median: float = 0.1, **fields: Any) -> Record:
    """Of LeNet-5 on the processor of a node; a minute after the replicate before."""
    case = structs.replace(LENET, replicate=replicate)
    environment = structs.replace(MACHINE, host=node, node=node, machine_id="1" * 32)
    record = planted_records.record(case, time("forward", median), environment=environment)
    return structs.replace(record, **{"started_at": f"2026-01-01T00:{replicate:02}:00+00:00", **fields})


def on_gpu(uuid: str, **fields: Any) -> Record:
    gpu = structs.replace(GPU, uuid=uuid)
    case = structs.replace(LENET, device="cuda")
    environment = structs.replace(MACHINE, gpu=gpu)
    return structs.replace(
        planted_records.record(case, time("forward", 0.1), environment=environment), **fields
    )


def lines(folder: Path) -> list[bytes]:
    return (folder / RECORDS).read_bytes().splitlines()


def kept(folder: Path) -> Merged:
    return msgspec.json.decode((folder / MERGED).read_bytes(), type=Merged)


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Runs of three nodes, the last one resumed after a crash, and with a line that an editor ended oddly."""
    runs = [
        write(tmp_path / "a", [process("node1", 1), process("node1", 3)]),
        write(tmp_path / "b", [process("node2", 2), process("node2", 1)]),
        write(tmp_path / "c", [process("node3", 1, status="crashed"), process("node3", 1, median=0.2)]),
    ]
    records = runs[1] / RECORDS
    records.write_bytes(b"\xef\xbb\xbf" + records.read_bytes().replace(b"\n", b"\r\n\r\n", 1).rstrip(b"\n"))
    return runs


def test_every_order_of_the_runs_gives_the_same_bytes_and_every_line_is_kept(
    tmp_path: Path, three: list[Path]
) -> None:
    found = set()
    for number, order in enumerate(itertools.permutations(three)):
        out = tmp_path / f"all{number}"
        merge(order, out, resume=False)
        found.add(((out / RECORDS).read_bytes(), (out / MERGED).read_bytes()))
        assert sorted(each.name for each in out.iterdir()) == [LOCK, MERGED, RECORDS]
    assert len(found) == 1
    assert sorted(lines(tmp_path / "all0")) == sorted(
        line.removeprefix(b"\xef\xbb\xbf") for run in three for line in lines(run) if line
    )
    started = [record.started_at for record in read_records(tmp_path / "all0" / RECORDS)]
    assert started == sorted(started)


def test_records_of_one_process_stay_in_the_order_of_their_run(tmp_path: Path, three: list[Path]) -> None:
    """The last one counts, whatever the clock of the machine said."""
    late = process("node9", 1, status="timeout", started_at="2027-01-01T00:00:00+00:00")
    run = write(tmp_path / "late", [late, process("node9", 1)])
    merge([run, *three], tmp_path / "all", resume=False)
    own = [each.status for each in read_records(tmp_path / "all" / RECORDS) if _node(each) == "node9"]
    assert own == ["timeout", "ok"]


def _node(record: Record) -> str | None:
    assert record.environment is not None
    return record.environment.node


def test_it_says_of_each_line_which_run_it_came_from(tmp_path: Path, three: list[Path]) -> None:
    copy = shutil.copytree(three[0], tmp_path / "copy")
    result = merge([*three, copy], tmp_path / "all", resume=False)
    assert (result.added, result.doubled) == (6, 2)
    all_ = lines(tmp_path / "all")
    for source in kept(tmp_path / "all").sources:
        numbers = [number for first, last in source.lines for number in range(first, last + 1)]
        own = [line.removeprefix(b"\xef\xbb\xbf") for line in lines(Path(source.folder)) if line]
        assert sorted(all_[number - 1] for number in numbers) == sorted(own)
        assert source.records == 2
    assert [Path(each.folder).name for each in kept(tmp_path / "all").sources] == ["a", "b", "c", "copy"]


def test_records_of_older_schemas_are_merged_as_they_are(tmp_path: Path, three: list[Path]) -> None:
    old = json.loads(msgspec.json.encode(process("node5")))
    old["schema"], old["warnings"], old["effective"] = 3, ["bimodal: two modes"], {"threads": "2"}
    folder = write(tmp_path / "old", [], json.dumps(old).encode() + b"\n")
    merge([*three, folder], tmp_path / "all", resume=False)
    assert json.dumps(old).encode() in lines(tmp_path / "all")
    assert len(list(read_records(tmp_path / "all" / RECORDS))) == 7


def test_adding_runs_later_is_the_same_as_merging_all_at_once(tmp_path: Path, three: list[Path]) -> None:
    merge(three, tmp_path / "once", resume=False)
    merge(three[1:2], tmp_path / "twice", resume=False)
    result = merge([three[2], three[0]], tmp_path / "twice", resume=True)
    assert result.added == 4
    for name in (RECORDS, MERGED):
        assert (tmp_path / "twice" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()
    assert merge(three, tmp_path / "twice", resume=True).added == 0
    assert (tmp_path / "twice" / RECORDS).read_bytes() == (tmp_path / "once" / RECORDS).read_bytes()


def test_a_run_that_has_gone_on_since_replaces_what_was_merged_of_it(
    tmp_path: Path, three: list[Path]
) -> None:
    merge(three, tmp_path / "all", resume=False)
    with (three[0] / RECORDS).open("ab") as file:
        file.write(msgspec.json.encode(process("node1", 4)) + b"\n" + b'{"schema":4,"ca')
    result = merge(three[:1], tmp_path / "all", resume=True)
    assert (result.added, kept(tmp_path / "all").sources[0].records) == (1, 3)
    assert result.notes == [f"line 4 of {three[0] / RECORDS} was never finished and is left out"]


def test_two_records_of_one_process_are_named_and_nothing_is_written(
    command_line: Command, tmp_path: Path, three: list[Path]
) -> None:
    again = write(tmp_path / "again", [process("node1", 1, median=0.3), process("node1", 3, median=0.3)])
    answer = command_line("merge", *three, again, "--out", tmp_path / "all")
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert (
        f"{three[0]} and {again} hold different records of one process, {LENET.id} replicate 1 on node1 "
        "(and 1 more process)"
    ) in answer.err
    assert not (tmp_path / "all").exists()


def test_attempts_of_a_node_of_a_fleet_are_one_run(tmp_path: Path) -> None:
    """A lost node may have gone on beside its second attempt."""
    nodes = tmp_path / "fleet" / "nodes"
    first = write(nodes / "n1" / "1", [process("n1", 1), process("n1", 2)])
    second = write(nodes / "n1" / "10", [process("n1", 2, median=0.2)])
    write(nodes / "n1" / "9", [process("n1", 3)])
    write(tmp_path / "fleet" / "confirm" / "n1", [process("n1", 4)])
    (tmp_path / "fleet" / "fleet.json").write_text("{}")
    merge([tmp_path / "fleet", second, first], tmp_path / "all", resume=False)
    assert len(lines(tmp_path / "all")) == 4
    assert [line for line in lines(tmp_path / "all") if b'"replicate":2' in line][-1] == lines(second)[0]
    assert [Path(each.folder).name for each in kept(tmp_path / "all").sources] == ["1", "9", "10"]


def test_failures_that_do_not_say_their_gpu_are_all_kept(tmp_path: Path) -> None:
    lost = on_gpu("GPU-1", status="crashed", environment=MACHINE)
    runs = [
        write(tmp_path / "out" / "GPU-1", [lost]),
        write(tmp_path / "out" / "GPU-2", [structs.replace(lost, reason="another"), on_gpu("GPU-2")]),
    ]
    merge([tmp_path / "out"], tmp_path / "all", resume=False)
    assert sorted(lines(tmp_path / "all")) == sorted(line for run in runs for line in lines(run))


def test_runs_with_warm_and_with_cold_caches_are_refused(tmp_path: Path, three: list[Path]) -> None:
    cold = write(tmp_path / "cold", [process("n7", protocol=MeasurementProtocol(flush_l2=True))])
    with pytest.raises(UserError, match=r"a has times with warm caches and .*cold times with a cold L2"):
        merge([*three, cold], tmp_path / "all", resume=False)
    merge(three, tmp_path / "all", resume=False)
    with pytest.raises(UserError, match="which are never pooled"):
        merge([cold], tmp_path / "all", resume=True)


def shard(folder: Path, text: str, **changes: Any) -> Path:
    """A finished run of a shard, each on a node of its own."""
    asked = Asked(
        given={"model": ("lenet5",), "batch": (1, 2), "device": ("cpu",)}, replicates=4, ceilings=False
    )
    plan = suite_plan.of_suite(structs.replace(asked, shard=text, **changes))
    environment = structs.replace(MACHINE, node=folder.name)
    write(
        folder,
        [
            planted_records.record(case, time("forward", 0.1), environment=environment)
            for case in plan_processes.of_plan(plan)
        ],
    )
    plan_file.write(folder, plan)
    return folder


def test_shards_make_a_whole_and_what_is_missing_is_said(command_line: Command, tmp_path: Path) -> None:
    shards = [shard(tmp_path / f"shard{index}", f"{index}/3", node_name=f"node{index}") for index in range(3)]
    answer = command_line("merge", *shards[:2], "--out", tmp_path / "all")
    assert answer.code == 0
    assert "Missing: 1 shard, 2/3." in answer.out
    rows = command_line("merge", shards[2], "--out", tmp_path / "all", "--resume", "--json").rows()
    assert [(row["records"], row["shard"]) for row in rows] == [(3, "0/3"), (2, "1/3"), (3, "2/3")]
    cases = [record.case for record in read_records(tmp_path / "all" / RECORDS)]
    assert len(set(cases)) == len(cases) == 8


def test_shards_of_two_plans_are_refused(tmp_path: Path) -> None:
    runs = [shard(tmp_path / "a", "0/2"), shard(tmp_path / "b", "1/2", replicates=5)]
    with pytest.raises(UserError, match=r"a is shard 0/2 of a plan and .*b is shard 1/2 of another plan"):
        merge(runs, tmp_path / "all", resume=False)
    assert not (tmp_path / "all").exists()


REFUSED: dict[str, tuple[Callable[[Path], list[object]], str]] = {
    "missing": (lambda at: [at / "nothing", "--out", at / "all"], "there is no folder"),
    "file": (lambda at: [at / "a" / RECORDS, "--out", at / "all"], "is a file. Give the run folder"),
    "no run": (lambda at: [at / "empty", "--out", at / "all"], "is no run folder and holds none"),
    "itself": (lambda at: [at / "a", at / "b", "--out", at / "a"], "is both a run to merge and --out"),
    "inside": (lambda at: [at / "a", "--out", at / "a" / "all"], "which is merged. Choose a folder outside"),
    "used": (lambda at: [at / "a", "--out", at / "b"], "already contains a run. Add --resume"),
    "no merge": (lambda at: [at / "a", "--out", at / "b", "--resume"], "was not made by convbench merge"),
    "nothing": (lambda at: [at / "a", "--out", at / "all", "--resume"], "holds no merged runs"),
    "damaged": (lambda at: [at / "bad", "--out", at / "all"], "line 2 of"),
}


@pytest.mark.parametrize(("words", "sentence"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_one_sentence_and_nothing_is_left(
    command_line: Command,
    tmp_path: Path,
    three: list[Path],
    words: Callable[[Path], list[object]],
    sentence: str,
) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "bad", [process("n8")], b"{}\n" * 2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    answer = command_line("merge", *words(tmp_path))
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert sentence in answer.err
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != LOCK}
    assert after == before


def damage(folder: Path, *numbers: int) -> None:
    """Lines of its records, counted from 1."""
    found = (folder / RECORDS).read_bytes().split(b"\n")
    for number in numbers:
        found[number - 1] = found[number - 1][:40] + b"\x00" + found[number - 1][41:]
    (folder / RECORDS).write_bytes(b"\n".join(found))


@pytest.fixture
def damaged(tmp_path: Path, three: list[Path]) -> Path:
    """Another run, of three records of which the first and the last are none any more."""
    run = write(tmp_path / "n4", [process("node4", replicate) for replicate in (1, 2, 3)])
    damage(run, 1, 3)
    return run


def test_damaged_lines_of_one_of_several_runs_are_left_out_and_named(
    command_line: Command, tmp_path: Path, three: list[Path], damaged: Path
) -> None:
    sound = lines(damaged)[1]
    answer = command_line("merge", *three, damaged, "--out", tmp_path / "all", "--json")
    assert answer.code == 3
    assert f"line 1 of {damaged / RECORDS} is not a convbench record" in answer.err
    assert "it was left out, and so is 1 more" in answer.err
    assert [row["damaged"] for row in answer.rows()] == [0, 0, 0, 2]
    assert [row["records"] for row in answer.rows()] == [2, 2, 2, 1]
    assert len(list(read_records(tmp_path / "all" / RECORDS))) == 7
    own = [source for source in kept(tmp_path / "all").sources if source.folder == str(damaged)]
    ((first, last),) = own[0].lines
    assert lines(tmp_path / "all")[first - 1 : last] == [sound]


def test_a_merged_folder_is_incomplete_until_the_damaged_run_is_merged_whole(
    command_line: Command, tmp_path: Path, three: list[Path], damaged: Path
) -> None:
    out = tmp_path / "all"
    assert command_line("merge", *three[:2], "--out", out).code == 0
    assert command_line("merge", damaged, "--out", out, "--resume").code == 3
    later = command_line("merge", three[2], "--out", out, "--resume")
    assert (later.code, later.err) == (3, "")
    assert "2 damaged lines of 1 run left out." in later.out
    write(damaged, [process("node4", replicate) for replicate in (1, 2, 3)])
    assert command_line("merge", damaged, "--out", out, "--resume").code == 0
    merge([*three, damaged], tmp_path / "once", resume=False)
    assert (out / RECORDS).read_bytes() == (tmp_path / "once" / RECORDS).read_bytes()


def test_a_line_that_one_copy_of_a_run_has_whole_is_not_lost(
    tmp_path: Path, three: list[Path], damaged: Path
) -> None:
    whole = write(tmp_path / "whole", [process("node4", replicate) for replicate in (1, 2, 3)])
    result = merge([*three, damaged, whole], tmp_path / "all", resume=False)
    assert (result.merged.records, result.doubled, result.damaged) == (9, 1, 2)


def test_a_kill_while_damaged_runs_are_merged_leaves_all_or_nothing(
    tmp_path: Path, three: list[Path], damaged: Path
) -> None:
    merge([*three, damaged], tmp_path / "whole", resume=False)
    for number in itertools.count():
        out = tmp_path / f"all{number}"
        merge(three[:1], out, resume=False)
        if not killed_at(number, [*three, damaged], out, resume=True):
            break
        assert merge([*three, damaged], out, resume=True).damaged == 2
        for name in (RECORDS, MERGED):
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert number > 5


def test_merged_records_that_were_changed_are_not_added_to(tmp_path: Path, three: list[Path]) -> None:
    merge(three, tmp_path / "all", resume=False)
    with (tmp_path / "all" / RECORDS).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(UserError, match="was changed after it was merged"):
        merge(three, tmp_path / "all", resume=True)


def test_a_merged_folder_is_no_run_to_continue(
    command_line: Command, tmp_path: Path, three: list[Path]
) -> None:
    merge(three, tmp_path / "all", resume=False)
    words = ("--model", "lenet5", "--device", "cpu", "--out", tmp_path / "all", "--resume")
    answer = command_line("run", *words)
    assert answer.code == 2
    assert "was made by convbench merge. Continue the runs that were merged" in answer.err


# Kills, full disks and folders that refuse

EFFECTS = ("write", "fsync", "replace", "unlink", "mkdir")


def killed_at(number: int, folders: list[Path], out: Path, *, resume: bool) -> bool:
    """Merge in a child that kills itself ahead of one of its effects; whether it came to that."""
    child = os.fork()
    if child == 0:
        left = itertools.count(number, -1)

        def counted(effect: Callable[..., object]) -> Callable[..., object]:
            def act(*arguments: Any, **named: Any) -> object:
                if next(left) == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return effect(*arguments, **named)

            return act

        try:
            for name in EFFECTS:
                setattr(os, name, counted(getattr(os, name)))
            merge(folders, out, resume=resume)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("resume", [False, True], ids=["new", "added-to"])
def test_a_kill_anywhere_leaves_all_or_nothing_and_the_next_merge_finishes(
    tmp_path: Path, three: list[Path], resume: bool
) -> None:
    merge(three, tmp_path / "whole", resume=False)
    whole = (tmp_path / "whole" / RECORDS).read_bytes()
    kills = 0
    for number in itertools.count():
        out = tmp_path / f"all{number}"
        if resume:
            merge(three[:1], out, resume=False)
        before = (out / RECORDS).read_bytes() if resume else None
        if not killed_at(number, three, out, resume=resume):
            break
        kills += 1
        found = (out / RECORDS).read_bytes() if (out / RECORDS).exists() else None
        assert found in (before, whole)
        merge(three, out, resume=resume or found is not None)
        assert (out / RECORDS).read_bytes() == whole
        assert (out / MERGED).read_bytes() == (tmp_path / "whole" / MERGED).read_bytes()
        assert sorted(each.name for each in out.iterdir()) == [LOCK, MERGED, RECORDS]
    assert kills > 5


def limited(folders: list[Path], out: Path, most_bytes: int, *more: str) -> subprocess.CompletedProcess[str]:
    """The command where no file may be larger than so many bytes."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    words = [sys.executable, "-B", "-m", "bench", "merge", *map(str, folders), "--out", str(out), *more]
    return subprocess.run(words, cwd=ROOT, preexec_fn=limit, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_leaves_the_folder_as_it_was(
    tmp_path: Path, three: list[Path]
) -> None:
    done = limited(three, tmp_path / "new", 1000)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"convbench: cannot use {tmp_path / 'new'}: File too large\n"
    assert not (tmp_path / "new").exists()
    merge(three[:1], tmp_path / "all", resume=False)
    before = {path.name: path.read_bytes() for path in (tmp_path / "all").iterdir()}
    assert limited(three, tmp_path / "all", 3000, "--resume").returncode == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "all").iterdir()} == before


@pytest.mark.parametrize("out", ["/proc/merged", "/dev/null/merged"])
def test_a_folder_that_cannot_be_written_is_one_sentence(
    command_line: Command, three: list[Path], out: str
) -> None:
    answer = command_line("merge", *three, "--out", out)
    assert answer.code == 2
    assert is_one_sentence(answer.err)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_one_sentence(
    command_line: Command, tmp_path: Path, three: list[Path]
) -> None:
    tmp_path.chmod(0o500)
    answer = command_line("merge", *three, "--out", tmp_path / "all")
    tmp_path.chmod(0o700)
    assert (answer.code, is_one_sentence(answer.err)) == (2, True)


def many(folder: Path, node: str, count: int) -> Path:
    """A run of so many processes, whose lines are as long as those of a small network on a CPU."""
    long = [0.001 + number / 1e7 for number in range(300)]
    template = msgspec.json.encode(process(node)).replace(b'"replicate":1', b'"replicate":%d')
    template = template.replace(
        json.dumps(list(time("forward", 0.1).samples)).replace(" ", "").encode(), json.dumps(long).encode()
    )
    folder.mkdir(parents=True)
    with (folder / RECORDS).open("wb") as file:
        file.writelines(template % number + b"\n" for number in range(1, count + 1))
    return folder


def peak_mib(folders: list[Path], out: Path) -> float:
    """Of a process that merges them."""
    code = (
        "import resource, sys; from pathlib import Path; from bench.fleet.merging import merge;"
        "merge([Path(each) for each in sys.argv[2:]], Path(sys.argv[1]), resume=False);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    words = [sys.executable, "-c", code, str(out), *map(str, folders)]
    return float(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    """5,000 records of 6 KB are 30 MB; a few hundred bytes of each are kept."""
    runs = [many(tmp_path / f"run{number}", f"node{number}", 2500) for number in range(2)]
    few = peak_mib([many(tmp_path / "few", "node7", 10)], tmp_path / "small")
    assert peak_mib(runs, tmp_path / "all") - few < 15
    assert len(lines(tmp_path / "all")) == 5000


@pytest.mark.scale
def test_100_000_records_take_little_memory(tmp_path: Path) -> None:
    runs = [many(tmp_path / f"run{number}", f"node{number}", 12_500) for number in range(8)]
    assert peak_mib(runs, tmp_path / "all") < 160


def test_the_result_says_what_was_done(tmp_path: Path, three: list[Path]) -> None:
    result = merge(three, tmp_path / "all", resume=False)
    assert isinstance(result, MergeResult)
    assert (result.merged.records, result.added, result.doubled, list(result.missing)) == (6, 6, 0, [])
