"""Which GPU: what `--gpu` names, what CUDA_VISIBLE_DEVICES leaves, and which of them CUDA calls device 0.

Found by the driver alone: CUDA itself is asked in children only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from bench.host.nvml import Nvml, NvmlGpu, UnreadableError
from models.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
ALL = "all"
"""In the place of one GPU: all of this host."""


def resolve(text: str, open_nvml: Callable[[], Nvml], environ: Mapping[str, str]) -> str:
    """The full UUID of the GPU that `text` names: nvidia-smi's index, or a UUID (`GPU-...`, `MIG-...`) of
    which the beginning is enough.

    Raises UserError where there is no such GPU, several, or one that CUDA_VISIBLE_DEVICES hides.
    """
    if not text:
        raise UserError("--gpu must be an index of nvidia-smi or a UUID, got ''")
    nvml, numbers, instances, there = _listed(text, open_nvml)
    if text.isdecimal():
        named = [numbers[int(text)].uuid()] if int(text) in numbers else []
    else:
        known = [*instances, *(instance for each in instances.values() for instance in each)]
        named = [uuid for uuid in known if text.startswith(("GPU-", "MIG-")) and uuid.startswith(text)]
    if len(named) != 1:
        what = "names several GPUs" if named else "is no GPU"
        raise UserError(f"--gpu {text} {what} of this machine, which has {there}")
    uuid = _whole(text, named[0], instances)
    if _hidden([uuid], _visible(text, nvml, environ), instances):
        raise UserError(f"--gpu {text} is hidden: {VISIBLE} is {environ[VISIBLE]!r}")
    return uuid


def all_of_host(open_nvml: Callable[[], Nvml], environ: Mapping[str, str]) -> list[str]:
    """The full UUIDs of all GPUs that CUDA_VISIBLE_DEVICES leaves, in the order of nvidia-smi; of one that is
    divided by MIG those of its instances. Raises UserError where there is none."""
    nvml, numbers, instances, _ = _listed(ALL, open_nvml)
    boards = [numbers[number].uuid() for number in sorted(numbers)]
    found = [uuid for board in boards for uuid in instances[board] or [board]]
    hidden = _hidden(found, _visible(ALL, nvml, environ), instances)
    left = [uuid for uuid in found if uuid not in hidden]
    if not left:
        raise UserError(f"--gpu {ALL}: {VISIBLE} is {environ[VISIBLE]!r}, which hides all GPUs")
    return left


def nth_visible(place: int, environ: Mapping[str, str]) -> str:
    """What CUDA_VISIBLE_DEVICES is for a process that sees only one of the GPUs that it names, or of all."""
    named = [each.strip() for each in environ.get(VISIBLE, "").split(",") if each.strip()]
    return named[place] if place < len(named) else str(place)


_Listed = tuple[Nvml, Mapping[int, NvmlGpu], Mapping[str, Sequence[str]], str]


def _listed(text: str, open_nvml: Callable[[], Nvml]) -> _Listed:
    """The driver, its GPUs by index, the MIG instances of each by its UUID, and all of them in words.
    UserError without any GPU."""
    try:
        nvml = open_nvml()
        gpus = nvml.gpus()
        instances = {gpu.uuid(): nvml.mig_uuids(gpu.uuid()) for gpu in gpus}
        numbers = {gpu.index(): gpu for gpu in gpus}
        there = "; ".join(_in_words(number, gpu, instances) for number, gpu in numbers.items())
    except UnreadableError as error:
        raise UserError(f"--gpu {text}: no GPU found: {error}") from error
    if not gpus:
        raise UserError(f"--gpu {text}: no GPU found: the driver lists none")
    return nvml, numbers, instances, there


def seeing_only(gpu: str | None, environ: Mapping[str, str] | None = None) -> Mapping[str, str] | None:
    """The environment of processes to which this GPU is the only one; None, their parent's, without one."""
    if gpu is None:
        return None
    return {**(os.environ if environ is None else environ), VISIBLE: gpu}


def visible_gpu(nvml: Nvml, environ: Mapping[str, str]) -> NvmlGpu:
    """The GPU that CUDA will call device 0, found without CUDA.

    Raises UnreadableError where none is visible or only CUDA knows: its own order is by speed, NVML's by
    PCI address, and they agree for sure where all GPUs are alike or CUDA_DEVICE_ORDER says so.
    """
    first = environ.get(VISIBLE, "0").split(",")[0].strip()
    return nvml.by_uuid(_uuid_of(first, nvml, environ))


def _uuid_of(token: str, nvml: Nvml, environ: Mapping[str, str]) -> str:
    """What a word of CUDA_VISIBLE_DEVICES names. Raises UnreadableError as `visible_gpu` does."""
    if token.startswith("MIG-"):
        return token
    gpus = nvml.gpus()
    if token.startswith("GPU-"):
        matching = [uuid for gpu in gpus if (uuid := gpu.uuid()).startswith(token)]  # CUDA abbreviates too
        if len(matching) != 1:
            raise UnreadableError(f"{VISIBLE} names {token}, which is no GPU of this machine")
        return matching[0]
    if not token.isdecimal() or int(token) >= len(gpus):
        raise UnreadableError(f"no GPU is visible to CUDA ({VISIBLE}={token!r})")
    if environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID" and len({gpu.name() for gpu in gpus}) > 1:
        raise UnreadableError(
            "the GPUs differ, and only CUDA knows its order: set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the "
            f"GPU by its UUID in {VISIBLE}"
        )
    return gpus[int(token)].uuid()


def _whole(text: str, uuid: str, instances: Mapping[str, Sequence[str]]) -> str:
    """Of a GPU that is divided its one instance, which is what CUDA runs on; UserError where it has more."""
    parts = instances.get(uuid, ())
    if len(parts) > 1:
        raise UserError(f"--gpu {text} is divided by MIG. Give one of its instances: {', '.join(parts)}")
    return parts[0] if parts else uuid


def _hidden(
    uuids: Sequence[str], visible: Sequence[str] | None, instances: Mapping[str, Sequence[str]]
) -> list[str]:
    """Those that are not visible, neither themselves nor as instances of a board that is."""
    return [uuid for uuid in uuids if visible is not None and not _is_seen(uuid, visible, instances)]


def _is_seen(uuid: str, visible: Sequence[str], instances: Mapping[str, Sequence[str]]) -> bool:
    own = [uuid, *(board for board, parts in instances.items() if uuid in parts)]
    return any(each.startswith(seen) for each in own for seen in visible)


def _visible(text: str, nvml: Nvml, environ: Mapping[str, str]) -> list[str] | None:
    """The UUIDs that CUDA_VISIBLE_DEVICES names, in its order, up to a word that names none: as CUDA does.
    None where it is not set."""
    if VISIBLE not in environ:
        return None
    visible: list[str] = []
    for token in environ[VISIBLE].split(","):
        try:
            visible.append(_uuid_of(token.strip(), nvml, environ))
        except UnreadableError as error:
            if visible:
                break
            raise UserError(f"--gpu {text}: {error}") from error
    return visible


def _in_words(number: int, gpu: NvmlGpu, instances: Mapping[str, Sequence[str]]) -> str:
    parts = instances[gpu.uuid()]
    divided = f", divided into {' and '.join(parts)}" if parts else ""
    return f"{number} ({gpu.name()}, {gpu.uuid()}{divided})"
