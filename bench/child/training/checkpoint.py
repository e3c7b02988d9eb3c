"""A training run as it stood after an epoch, on the disk: whole or not at all, and read without pickle.

`torch.load(weights_only=True)` builds tensors and plain containers and nothing else, so that a file from
elsewhere cannot run code.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import torch

from bench.schema.case import Case
from bench.schema.epochs import History
from bench.schema.network_fingerprint import NetworkFingerprint, same_network
from bench.schema.plain_text import encode

FORMAT = 1


def save(
    path: Path,
    case: Case,
    history: History,
    state: dict[str, Any],
    network: NetworkFingerprint | None = None,
) -> None:
    """Write beside, through to the disk, and rename. What fails (a full disk: OSError, or RuntimeError by
    torch) leaves nothing beside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "format": FORMAT,
        "case": msgspec.json.encode(case).decode(),
        "network": encode(network).decode(),
        "history": msgspec.json.encode(history).decode(),
        "state": state,
    }
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as file:
            torch.save(whole, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def load(
    path: Path, case: Case, network: NetworkFingerprint | None = None
) -> tuple[History, dict[str, Any]] | None:
    """The epochs so far and the state to go on from; None where there is no checkpoint of this case.

    A file that is damaged, or of another case or network, is as good as none: the run then begins anew. One
    from before networks were kept is taken to be of this one.
    """
    try:
        with zipfile.ZipFile(path) as members:
            if members.testzip() is not None:  # torch does not compare the checksums that it writes
                return None
        whole = torch.load(path, map_location="cpu", weights_only=True)
        if whole["format"] != FORMAT or msgspec.json.decode(whole["case"], type=Case) != case:
            return None
        kept = msgspec.json.decode(whole.get("network", "null"), type=NetworkFingerprint | None)
        if kept is not None and network is not None and not same_network(kept, network):
            return None
        return msgspec.json.decode(whole["history"], type=History), whole["state"]
    except FileNotFoundError:
        return None
    except Exception:  # noqa: BLE001 - zipfile, unpickler and decoder each have errors of their own
        return None
