"""The state that the GPU is in: its memory, its link, its clocks, its place among the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from bench.doctor.machine import Machine
from bench.doctor.nvml_answers import asked, judged
from bench.host import cuda_variables, gpu_facts, locked_clocks
from bench.host.nvml import Nvml, NvmlGpu, UnreadableError
from bench.schema.finding import Finding
from bench.schema.gpu_identity import ComputeMode, EccErrors, PcieLink, Peer, RemappedRows
from models.errors import UserError

_IDLE = 0x1
"""nvml.h, nvmlClocksEventReasonGpuIdle."""
RESET = "stop all GPU programs, then sudo nvidia-smi --gpu-reset, or restart the machine"


def findings(machine: Machine, nvml: Nvml, gpu: NvmlGpu) -> Iterator[Finding]:
    """A row each, unknown where NVML refuses; of the other GPUs one for each."""
    yield asked("gpu compute mode", gpu.compute_mode, _compute_mode)
    yield asked("gpu ECC mode", lambda: (gpu.ecc_mode(), gpu.pending_ecc_mode()), _ecc_mode)
    yield asked("gpu ECC errors", gpu.ecc_errors, _ecc_errors)
    yield asked("gpu remapped rows", gpu.remapped_rows, _remapped_rows)
    yield asked("gpu PCIe link", lambda: (gpu.pcie(), bool(gpu.event_reasons() & _IDLE)), _pcie)
    yield asked("gpu application clocks", lambda: _clocks_of(gpu), _application_clocks)
    yield _locked_clock(machine, gpu)
    devices = machine.root / "sys/bus/pci/devices"
    yield asked("gpu NUMA node", lambda: gpu_facts.numa_node(gpu.pci_bus_id(), devices), _numa_node)
    with suppress(UnreadableError):  # the rows above say what the driver refuses
        yield from map(_peer, gpu_facts.peers(nvml, gpu.uuid()))
    yield from _variables(machine)


def _compute_mode(name: str, mode: ComputeMode) -> Finding:
    none = "no process can use it: sudo nvidia-smi --compute-mode=0"
    return judged(name, mode, none if mode == "prohibited" else "")


def _ecc_mode(name: str, modes: tuple[bool, bool]) -> Finding:
    now, then = ("on" if mode else "off" for mode in modes)
    advice = f"it changes at the next reset and affects memory and speed: {RESET}" if now != then else ""
    return judged(name, now if now == then else f"{now}, after the next reset {then}", advice)


def _ecc_errors(name: str, errors: EccErrors) -> Finding:
    found = (
        f"{errors.uncorrected_volatile} uncorrected and {errors.corrected_volatile} corrected since the "
        f"driver was loaded, {errors.uncorrected_aggregate} and {errors.corrected_aggregate} ever"
    )
    return judged(name, found, f"results may be wrong: {RESET}" if errors.uncorrected_volatile else "")


def _remapped_rows(name: str, rows: RemappedRows) -> Finding:
    found = f"{rows.correctable + rows.uncorrectable}"
    if rows.failed:
        return judged(name, f"{found}, and one that failed", "the memory is worn out: replace the GPU")
    if rows.pending:
        return judged(name, f"{found}, and one pending a reset", RESET)
    return judged(name, found, "")


def _pcie(name: str, seen: tuple[PcieLink, bool]) -> Finding:
    """A GPU at rest lowers the generation by itself, and never the width."""
    link, idle = seen
    found = (
        f"generation {link.generation} of {link.max_generation}, width {link.width} of {link.max_width}"
        f"{', at rest' if idle else ''}"
    )
    narrow = link.width < link.max_width or (link.generation < link.max_generation and not idle)
    advice = "copies from the host are slower than they could be: check the slot, the riser and the BIOS"
    return judged(name, found, advice if narrow else "")


def _clocks_of(gpu: NvmlGpu) -> tuple[int, int, int]:
    return gpu.application_sm_clock_mhz(), gpu.default_application_sm_clock_mhz(), gpu.max_sm_clock_mhz()


def _application_clocks(name: str, clocks: tuple[int, int, int]) -> Finding:
    """By default a GPU may go above them; once somebody has set them it may not."""
    asked_for, default, highest = clocks
    found = f"SM {asked_for} MHz, by default {default}, at most {highest}"
    advice = "they were set by someone: sudo nvidia-smi --reset-applications-clocks"
    return judged(name, found, advice if asked_for != default and asked_for < highest else "")


def _locked_clock(machine: Machine, gpu: NvmlGpu) -> Finding:
    """As far as convbench locked it: the driver does not tell of others' locks."""
    name = "gpu locked clock"
    try:
        markers = locked_clocks.markers(locked_clocks.marker_folder(machine.environ))
    except UserError as error:
        return Finding(name=name, status="unknown", found=str(error))
    own = [marker for marker in markers if marker.uuid == gpu.uuid()]
    if not own:
        return judged(name, "none by convbench; NVML does not report other locks", "")
    return judged(name, f"{own[0].mhz} MHz", "unlock it with convbench doctor --unlock-clocks")


def _numa_node(name: str, node: int) -> Finding:
    return judged(name, str(node), "")


def _peer(peer: Peer) -> Finding:
    """The way to another GPU; what is not known of it is left to its reasons."""
    links = None if peer.nvlinks is None else f"{peer.nvlinks} NVLinks"
    access = None if peer.peer_access is None else "peer access" if peer.peer_access else "no peer access"
    known = [word for word in (peer.path, links, access) if word]
    refused = [f"{field.replace('_', ' ')}: {reason}" for field, reason in peer.absent.items()]
    return Finding(
        name=f"gpu beside {peer.uuid}",
        status="ok" if known else "unknown",
        found="; ".join([", ".join(known), *refused] if known else refused),
    )


def _variables(machine: Machine) -> Iterator[Finding]:
    slow = cuda_variables.slowing(machine.environ)
    for name, effect in cuda_variables.EFFECTS.items():
        advice = f"{effect}: unset it" if name in slow else ""
        yield judged(name, machine.environ.get(name, "not set"), advice)
