"""In a rank: its log, its end with the job's process, and what it leaves when it fails."""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import msgspec

from bench.distributed.rank_ends import DONE, ERROR, WHERE, file_of, log_of
from bench.forkserver.failure import told
from bench.forkserver.kept import write_whole
from bench.forkserver.process_tree import die_with, flush_c_streams
from bench.forkserver.wire import RESULT
from bench.schema.job import RankFiles

CAUSE_SECONDS = 0.5
"""A rank that another's end made fail waits so long before it ends too: the launcher sees who was first."""


def enter(starter: int, function: str, argument: bytes, files: RankFiles) -> None:
    """The first call in a rank; `starter` is the process that started it.

    What the function returns, bytes or None, is the job's result; of all ranks one alone returns bytes.
    """
    die_with(starter)
    rank = int(os.environ["RANK"])
    folder = Path(files.folder)
    _write_to(log_of(files.logs, rank))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    # The launcher ends ranks by SIGTERM: where each was then tells who kept the others waiting.
    where = file_of(folder, rank, WHERE).open("w")
    faulthandler.register(signal.SIGTERM, file=where, all_threads=False, chain=True)
    try:
        module, _, name = function.partition(":")
        result = getattr(importlib.import_module(module), name)(argument)
        if result is not None:
            write_whole(folder / RESULT, result)
        write_whole(file_of(folder, rank, DONE), b"")
    except BaseException as error:  # noqa: BLE001 - whatever a rank raises is its outcome
        traceback.print_exc()
        write_whole(file_of(folder, rank, ERROR), msgspec.json.encode(told(error)))
        sys.stderr.flush()
        time.sleep(CAUSE_SECONDS)
        os._exit(1)
    sys.stdout.flush()
    flush_c_streams()


def _write_to(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
