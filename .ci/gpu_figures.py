"""Figures of a trial on a GPU beside what they should be, from the files that convbench wrote.

    python .ci/gpu_figures.py agreement reference.json RUN...     within 1% of the independent loop?
    python .ci/gpu_figures.py ledger RUN                          is the peak explained to within 1%?
    python .ci/gpu_figures.py ceiling REPORT.json GOAL            which share of the ceiling is reached?

Exit code 1: a figure is not what it should be, on a GPU; figures of a CPU are only printed.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

AGREE_WITHIN = 0.01
UNEXPLAINED_AT_MOST = 0.01
LAUNCH_BOUND = 0.9
"""From this share of device time up the host sets the pace, and events around a row hold its gaps."""

Json = dict[str, Any]
Key = tuple[str, str, str, str, int]
USUAL = {"workload": "inference", "device": "cpu", "precision": "fp32", "engine": "eager", "batch": 1}


def records(folders: Iterable[Path]) -> Iterator[Json]:
    """The lines of the runs that exist, with what a case leaves out."""
    for folder in folders:
        file = folder / "records.jsonl"
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            record = json.loads(line)
            record["case"] = {**USUAL, **record["case"]}
            yield record


def key_of(row: Json) -> Key:
    return row["model"], row["workload"], row["precision"], row["engine"], row["batch"]


def medians(folders: Iterable[Path]) -> dict[Key, dict[str, float]]:
    """Of each case the median over its processes of their medians: seconds of the whole step, by metric."""
    found: dict[Key, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records(folders):
        whole = "step" if record["case"]["workload"] == "training" else "forward"
        for each in record.get("measurements", []) if record["status"] == "ok" else ():
            is_whole = each["phase"] == whole and not each.get("layer") and not each.get("disturbed")
            if is_whole and each["unit"] == "s":
                found[key_of(record["case"])][each["metric"]].append(statistics.median(each["samples"]))
    return {key: {name: statistics.median(all_) for name, all_ in by.items()} for key, by in found.items()}


def agreement(reference: Sequence[Json], ours: dict[Key, dict[str, float]]) -> tuple[list[str], list[str]]:
    """The table, and the names of the rows of a GPU that are further apart than they may be."""
    lines = [f"{'case':46} {'wall ms':>9} {'/ loop':>7} {'device ms':>10} {'/ events':>8} {'host ms':>8}"]
    apart = []
    for row in reference:
        name, found = "/".join(map(str, key_of(row))), ours.get(key_of(row), {})
        if "wall_time" not in found:
            lines.append(f"{name:46} not measured by convbench")
            continue
        ratios = [found["wall_time"] / row["wall_seconds"]]
        text = f"{name:46} {1e3 * found['wall_time']:9.3f} {ratios[0]:7.4f}"
        if row["event_seconds"] is not None and "device_time" in found:
            device, host = found["device_time"], found.get("host_time", 0.0)
            by_events = device / row["event_seconds"]
            text += f" {1e3 * device:10.3f} {by_events:8.4f} {1e3 * host:8.3f}"
            if host < LAUNCH_BOUND * device:
                ratios.append(by_events)
        on_gpu = row["event_seconds"] is not None
        is_apart = on_gpu and any(abs(ratio - 1) > AGREE_WITHIN for ratio in ratios)
        if is_apart:
            apart.append(name)
        lines.append(text + ("  <-- apart" if is_apart else ""))
    return lines, apart


def show_agreement(file: Path, folders: Sequence[Path]) -> int:
    reference = json.loads(file.read_text(encoding="utf-8"))
    ours = medians(folders)
    lines, apart = agreement(reference, ours)
    print("\n".join(lines))
    timed = [row for row in reference if "wall_time" in ours.get(key_of(row), {})]
    if not timed:
        return 1
    if not any(row["event_seconds"] for row in timed):
        print("On a CPU this is a report and no verdict.")
        return 0
    print(f"{len(timed) - len(apart)} of {len(timed)} cases agree within {AGREE_WITHIN:.0%}.")
    return int(bool(apart))


def show_ledger(folder: Path) -> int:
    """The unexplained share of each case's peak; 1 where a GPU's is too large."""
    failed, shown = False, False
    for record in records([folder]):
        case, kinds = record["case"], {}
        for each in record.get("measurements", []):
            if each["metric"].startswith("ledger_"):
                kinds[each["metric"].removeprefix("ledger_")] = each["samples"][0]
        name = "/".join(map(str, key_of(case)))
        if not kinds.get("peak"):
            print(f"{name}: no ledger ({record['status']})")
            failed = True
            continue
        shown = True
        share = kinds.get("residual", 0.0) / kinds["peak"]
        print(f"{name}: unexplained {share:.2%} of the peak (goal: below {UNEXPLAINED_AT_MOST:.0%})")
        print("   MiB:", ", ".join(f"{kind} {size / 2**20:.2f}" for kind, size in kinds.items()))
        failed = failed or (case["device"] == "cuda" and abs(share) >= UNEXPLAINED_AT_MOST)
    return int(failed or not shown)


def show_ceiling(report: Path, goal: float) -> int:
    """The row that reaches most, beside the goal; a goal that is missed is a figure and no failure."""
    rows = json.loads(report.read_text(encoding="utf-8"))["rows"]
    wholes = {"training": "step", "inference": "forward"}
    reached = [
        row
        for row in rows
        if row.get("utilisation") and row["metric"] == "wall_time" and row["phase"] == wholes[row["workload"]]
    ]
    if not reached:
        print("no share of a ceiling: it needs the step ceilings and a candidate that was timed")
        return 1
    best = max(reached, key=lambda row: float(row["images_per_second"]))
    name = "/".join(map(str, (*key_of(best), best["layout"], best["tuning"]))).rstrip("/")
    share = best["utilisation"]
    print(f"{name}: {share:.1%} of the {best['arithmetic_dtype']} ceiling (goal: {goal:.0%})")
    return 0


def main(arguments: Sequence[str]) -> int:
    """What the first word asks for; 2 for another word."""
    match arguments:
        case ["agreement", reference, *folders]:
            return show_agreement(Path(reference), [Path(folder) for folder in folders])
        case ["ledger", folder]:
            return show_ledger(Path(folder))
        case ["ceiling", report, goal]:
            return show_ceiling(Path(report), float(goal))
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
