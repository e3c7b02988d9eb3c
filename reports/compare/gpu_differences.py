"""Whether both sides of a comparison had the same GPU, set the same: what differs, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reports.sections.machine_tables import UUID, gpu_settings
from reports.summary.figures import Summary


def gpu_sentence(base: Summary, new: Summary) -> Iterator[str]:
    """Nothing where the GPUs are the same, or a side's records do not say; rows are compared all the same."""
    sides = [_settings(summary) for summary in (base, new)]
    names = dict.fromkeys(name for side in sides for settings in side for name in settings)
    values = {name: [_values(side, name) for side in sides] for name in names}
    differing = {name: pair for name, pair in values.items() if all(pair) and pair[0] != pair[1]}
    if differing:
        what = "ran on different GPUs" if UUID in differing else "ran with different GPU settings"
        listed = "; ".join(f"{name} {one} / {other}" for name, (one, other) in differing.items())
        yield f"BASE and NEW {what} ({listed}). Every GPU ratio includes this difference."


def _settings(summary: Summary) -> list[Mapping[str, str]]:
    """Of each GPU that a side's records tell apart from others."""
    gpus = (environment.gpu for environment in summary.environments.values())
    return [gpu_settings(gpu) for gpu in gpus if gpu is not None and gpu.uuid is not None]


def _values(side: Sequence[Mapping[str, str]], name: str) -> str:
    """On each GPU of a side, each value once; empty where none has it."""
    return " and ".join(sorted({settings[name] for settings in side if name in settings}))
