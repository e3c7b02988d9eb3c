"""The way from one GPU to another, by their handles: PCIe, NVLink, and who may read whose memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.host.nvml import UnreadableError
from bench.host.nvml_ask import ask, pci_bus_id_of, word
from bench.schema.gpu_identity import PeerPath

_PATHS: Mapping[int, PeerPath] = {
    0: "one board",
    10: "one PCIe switch",
    20: "several PCIe switches",
    30: "one host bridge",
    40: "one NUMA node",
    50: "between NUMA nodes",
}
_PEER_READ = 0
"""nvmlGpuP2PCapsIndex_t; pynvml's own constant is a tuple by mistake."""


def path_between(board: Any, other: Any) -> PeerPath:
    """What the two have in common."""
    import pynvml

    return word(_PATHS, ask(pynvml.nvmlDeviceGetTopologyCommonAncestor, board, other))


def nvlinks_between(board: Any, other: Any) -> int:
    """Active NVLinks that end at the other, or at a switch through which it is reached."""
    import pynvml

    ends = list(_nvlink_ends(board))
    straight = ends.count(pci_bus_id_of(ask(pynvml.nvmlDeviceGetPciInfo, other)))
    switched = ends.count(None)
    if straight or not switched:
        return straight
    status = ask(pynvml.nvmlDeviceGetP2PStatus, board, other, pynvml.NVML_P2P_CAPS_INDEX_NVLINK)
    return switched if status == pynvml.NVML_P2P_STATUS_OK else 0


def peer_access(board: Any, other: Any) -> bool:
    """Whether the one can read the other's memory itself."""
    import pynvml

    status = ask(pynvml.nvmlDeviceGetP2PStatus, board, other, _PEER_READ)
    return bool(status == pynvml.NVML_P2P_STATUS_OK)


def _nvlink_ends(board: Any) -> Iterator[str | None]:
    """Where each active NVLink of a board ends: the PCI bus id of a GPU, None for a switch.

    Raises UnreadableError where not one link can be asked about: a board without NVLink says so itself.
    """
    import pynvml

    why_not, readable = "", False
    for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
        try:
            active = ask(pynvml.nvmlDeviceGetNvLinkState, board, link)
        except UnreadableError as error:  # a board has fewer links than there can be
            why_not = why_not or str(error)
            continue
        readable = True
        if active and (end := _nvlink_end(board, link)) != "":
            yield end
    if not readable:
        raise UnreadableError(why_not)


def _nvlink_end(board: Any, link: int) -> str | None:
    """The PCI bus id of a GPU, None for a switch, empty for what is neither."""
    import pynvml

    kind = ask(pynvml.nvmlDeviceGetNvLinkRemoteDeviceType, board, link)
    if kind == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
        return None
    if kind != pynvml.NVML_NVLINK_DEVICE_TYPE_GPU:
        return ""
    return pci_bus_id_of(ask(pynvml.nvmlDeviceGetNvLinkRemotePciInfo, board, link))
