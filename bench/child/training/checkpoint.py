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

FORMAT = 1


def save(path: Path, case: Case, history: History, state: dict[str, Any]) -> None:
    """Write beside, through to the disk, and rename. What fails (a full disk: OSError, or RuntimeError by
    torch) leaves nothing beside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "format": FORMAT,
        "case": msgspec.json.encode(case).decode(),
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


def load(path: Path, case: Case) -> tuple[History, dict[str, Any]] | None:
    """The epochs so far and the state to go on from; None where there is no checkpoint of this case.

    A file that is damaged, or of another case, is as good as none: the run then begins anew.
    """
    try:
        with zipfile.ZipFile(path) as members:
            if members.testzip() is not None:  # torch does not compare the checksums that it writes
                return None
        whole = torch.load(path, map_location="cpu", weights_only=True)
        if whole["format"] != FORMAT or msgspec.json.decode(whole["case"], type=Case) != case:
            return None
        return msgspec.json.decode(whole["history"], type=History), whole["state"]
    except FileNotFoundError:
        return None
    except Exception:  # noqa: BLE001 - zipfile, unpickler and decoder each have errors of their own
        return None
