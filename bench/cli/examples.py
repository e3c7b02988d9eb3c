"""What the help of a command ends with: command lines to paste, and its exit codes."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "run": (
        "convbench run --suite smoke",
        "convbench run --model vgg16 --batch 1,8 --precision fp32,bf16",
        "convbench run --resume --until 5% --out runs/1",
    ),
    "time": ("convbench time vgg16", "convbench time vgg16 --batch 8 --engine compile --budget 2m"),
    "train": (
        "convbench train lenet5 --seeds 3",
        "convbench train vgg11-bn --precision fp32,bf16 --target 95%",
    ),
    "ablate": ("convbench ablate kernels --dry-run", "convbench ablate kernels --level block --budget 10m"),
    "best": ("convbench best vgg16 --batch 8", "convbench best alexnet --workload training --budget 5m"),
    "max-batch": ("convbench max-batch vgg16 --memory 4GiB", "convbench max-batch lenet5 --memory 80%"),
    "ceilings": ("convbench ceilings", "convbench ceilings --precision fp32,bf16 --out runs/peak"),
    "scale": (
        "convbench scale vgg16 --ranks 1,2,4,8 --batch 256 --out runs/scale",
        "convbench scale alexnet-towers --strategy towers-2012",
    ),
    "fleet": (
        "convbench fleet run --suite smoke --executor slurm --nodes 8 --out runs/fleet",
        "convbench fleet status runs/fleet",
        "convbench fleet run --resume --out runs/fleet",
    ),
    "fleet run": (
        "convbench fleet run --suite smoke --nodes 2 --device cpu --out runs/cells",
        "convbench fleet run --executor slurm --nodes 'gpu[01-16]' --out runs/fleet",
        "convbench fleet run --resume --out runs/fleet",
    ),
    "fleet status": ("convbench fleet status runs/fleet", "convbench fleet status runs/fleet --json"),
    "fleet report": (
        "convbench fleet report runs/fleet",
        "convbench fleet report runs/fleet --against runs/before --fail-on suspect",
        "convbench fleet report runs/node1 runs/node2 runs/node3 --format csv",
    ),
    "fleet confirm": (
        "convbench fleet confirm runs/fleet --dry-run",
        "convbench fleet confirm runs/fleet",
    ),
    "fleet cancel": ("convbench fleet cancel runs/fleet",),
    "compare": (
        "convbench compare runs/before runs/after",
        "convbench compare runs/before runs/after --fail-on slower --format md",
        "convbench compare @v1.0 runs/after",
    ),
    "ab": (
        "convbench ab --model vgg16 --a engine=eager --b engine=compile",
        "convbench ab --model lenet5 --b-python ~/new-torch/bin/python --budget 10m",
    ),
    "bisect": (
        "convbench bisect v1.0 HEAD --model net.py:build --dry-run",
        "convbench bisect v1.0 HEAD --model net.py:build --workload training",
        "convbench bisect --against v1.0 --threshold 2% --model net.py:build",
    ),
    "history": ("convbench history --from runs/1", "convbench history --run --out runs/history"),
    "report": (
        "convbench report runs/1",
        "convbench report runs/1 -o report.html",
        "cat runs/*/records.jsonl | convbench report -",
    ),
    "merge": (
        "convbench merge shard0 shard1 shard2 --out runs/all",
        "convbench merge shard3 --out runs/all --resume",
    ),
    "archive": (
        "convbench archive add runs/1 --label nightly",
        "convbench archive pin v1.0 runs/1",
        "convbench archive list",
    ),
    "archive add": (
        "convbench archive add runs/1 --label nightly",
        "convbench archive add runs/1 runs/2 --archive /data/convbench-archive",
    ),
    "archive import": (
        "convbench archive import benchmark.csv --machine 'RTX 4090' --variant amp-nhwc --label nightly",
        "convbench archive import hyperfine.json --at 2026-11-30T02:00:00+01:00",
    ),
    "archive list": ("convbench archive list", "convbench archive list --label nightly --model vgg16"),
    "archive show": ("convbench archive show @v1.0",),
    "archive pin": ("convbench archive pin v1.0 runs/1", "convbench archive pin v1.0 runs/2 --move"),
    "archive label": ("convbench archive label weekly runs/1", "convbench archive label weekly 6f7529738571"),
    "archive unpin": ("convbench archive unpin v1.0",),
    "archive verify": ("convbench archive verify", "convbench archive verify @v1.0"),
    "archive prune": (
        "convbench archive prune --keep 90d --keep monthly --dry-run",
        "convbench archive prune --keep 30 --label nightly",
    ),
    "trend": (
        "convbench trend --label nightly",
        "convbench trend 'vgg*' --since 90d -o trend.html",
        "convbench trend --fail-on new-step",
    ),
    "trend ack": (
        "convbench trend ack vgg16-3f0c92ab --why 'driver 575, accepted'",
        "convbench trend ack --all --why 'before the first night in CI'",
    ),
    "trend unack": ("convbench trend unack vgg16-3f0c92ab",),
    "layers": ("convbench layers vgg16 --batch 8", "convbench layers vgg16 --workload inference"),
    "cost": ("convbench cost vgg16 --layers", "convbench cost 'vgg*' --image 64 --json"),
    "claims": ("convbench claims", "convbench claims --from runs/1", "convbench claims --run --dry-run"),
    "list": ("convbench list models", "convbench list axes", "convbench list models --library torchvision"),
    "doctor": ("convbench doctor", "convbench doctor --device cpu --json"),
    "selftest": ("convbench selftest", "convbench selftest --device cpu"),
}

_CONTINUE = "3 incomplete: continue with --resume, 130 interrupted"
_MEASURED = f"1 a case failed, 2 bad input, {_CONTINUE}"
_FIRST = {
    "cost": "0, 1 counts differ or one of several networks failed, 2 bad input",
    "compare": "0, 1 the gate failed or no case is on both sides, 2 bad input",
    "ab": "0, 1 a case or the gate failed, 2 bad input, 3 incomplete, 130 interrupted",
    "bisect": (
        "0, 1 no step, or no single commit, 2 bad input, 3 incomplete: continue with --resume, "
        "130 interrupted; with --against 0 good, 1 bad, 125 skip, 128 stop"
    ),
    "max-batch": f"0, 1 not even batch size 1 fits, 2 bad input, {_CONTINUE}",
    "best": f"0, 1 nothing could be measured, 2 bad input, {_CONTINUE}",
    "time": "0, 1 the case failed, 2 bad input, 3 incomplete: no time for a second process, 130 interrupted",
    "selftest": "0, 1 a check failed, 2 bad input, 130 interrupted",
    "report": "0, 2 bad input",
    "merge": "0, 2 bad input or a conflict, 3 damaged lines were left out, 130 interrupted",
    **dict.fromkeys(
        (
            "archive",
            "archive add",
            "archive import",
            "archive show",
            "archive pin",
            "archive label",
            "archive unpin",
            "archive prune",
        ),
        "0, 2 bad input, 130 interrupted",
    ),
    **dict.fromkeys(
        ("archive list", "archive verify"), "0, 1 a run is damaged, 2 bad input, 130 interrupted"
    ),
    "trend": "0, 1 a case got slower (with --fail-on) or a run is damaged, 2 bad input, 130 interrupted",
    **dict.fromkeys(("trend ack", "trend unack"), "0, 2 bad input, 130 interrupted"),
    "list": "0, 2 bad input",
    "fleet": "0, 1 a case failed, 2 bad input, 3 a node or a process is missing, 130 interrupted",
    "fleet run": "0, 1 a case failed, 2 bad input, 3 a node or a process is missing, 130 interrupted",
    "fleet status": "0 complete, 1 a case failed, 2 bad input, 3 not complete",
    "fleet report": "0, 1 a GPU is slow or has other bits (or is a suspect, if asked), 2 bad input, 3 gaps",
    "fleet confirm": "0, 1 a machine is slow, 2 bad input, 3 a round is missing, 130 interrupted",
    "fleet cancel": "0, 2 bad input",
    "doctor": "0, 1 a clock stays locked, 2 bad input",
}


def epilog(command: str) -> str:
    """Of the help of a command."""
    codes = _FIRST.get(command, f"0, {_MEASURED}")
    return "\n".join(("Examples:", *(f"  {line}" for line in EXAMPLES[command]), "", f"Exit codes: {codes}."))
