"""What the labels of a table's remarks mean, in a few words each; docs/method.md has their conditions."""

from __future__ import annotations

from collections.abc import Mapping

from bench.schema.case_warnings import Label

UNRELIABLE: tuple[Label, ...] = (
    "contended",
    "restless",
    "drifting",
    "bimodal",
    "steal",
    "slowdown",
    "not-stationary",
    "not-additive",
)
"""Labels of figures that another run may not repeat, however narrow their interval."""

MEANINGS: Mapping[str, str] = {
    "not-stationary": "step times still changed at the end of the warm-up",
    "drifting": "step times became shorter or longer while they were measured",
    "autocorrelated": "neighboring samples are alike, so they count as fewer",
    "bimodal": "samples fall into two groups",
    "one-sample": "the median of a process is a single sample",
    "restless": "processes differ at least twice as much as other cases lead to expect",
    "not-additive": "forward, backward and optimizer do not add up to the step",
    "launch-bound": "the GPU waits for Python",
    "unshielded": "the step waits for the device inside, so device time contains launch gaps",
    "steal": "other virtual machines took CPU time",
    "contended": "other programs took CPU time",
    "no-others": "use of the CPU by other programs could not be read",
    "slowdown": "the GPU lowered its clocks",
    "power-cap": "the GPU lowered its clocks to stay within its power limit",
    "retaken": "at least one window was measured again",
    "re-measured": "at least one window was measured again",
    "read-at-rest": "clocks and power were read after the GPU's work had ended",
    "unmonitored": "NVML gave no reading, or the profiler saw no kernel",
    "non-finite-loss": "the loss became NaN or infinite",
    "non-finite-output": "the output held a NaN or an infinite number",
    "main-output": "the network returns several tensors, and the loss uses one of them",
    "other-classes": "the network has another number of outputs than --classes",
    "changed-inputs": "the network changes its inputs in place; they are restored before every step",
    "no-cuda-graphs": "CUDA graphs were not used, or only in part",
    "ieee-candidates": "the compiler's own convolutions ran without TF32",
    "conv-layout": "compiled convolutions ran in another memory format than the row names",
    "recompile-limit": "torch.compile reached its recompile limit for a part of the network",
    "partly-eager": "some convolutions or matrix products ran outside compiled code",
    "already-compiled": "the network's own file compiles it, or it is TorchScript",
    "process-state": "the network's file or its steps changed a setting of the process",
    "own-seed": "the first weights do not depend on the seed",
    "peak-holds-compiler": "peak memory includes that of the compiler",
    "no-peak": "only the reserved peak is known",
    "no-driver-other": "other processes may use memory of the GPU",
    "slow-cuda": "a debugging variable of CUDA or PyTorch slows every step",
    "incomplete": "a figure is missing or leaves something out; the appendix says which",
    "no-energy": "the energy of training could not be read",
    "energy-mismatch": "two sensors of energy differ by more than 10%",
    "resumed": "earlier epochs ran in another process",
    "at-chance": "no better than guessing: the network did not learn",
}
"""Label -> what it says of a row."""
