"""Jobs that fail in every way a model can: run in a child of the fork server by the tests of it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

from bench.forkserver.failure import free_memory_told
from bench.forkserver.stages import stage
from models.errors import UserError


def echo(argument: bytes) -> bytes:
    return argument[::-1]


def visible(argument: bytes) -> bytes:
    return os.environ["CUDA_VISIBLE_DEVICES"].encode()


def abort(argument: bytes) -> bytes:
    stage("building")
    os.abort()


def kill_itself(argument: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b"never"


def exit_early(argument: bytes) -> bytes:
    """Leave as `exit()` in a model's file does."""
    sys.exit(int(argument))


def exit_at_once(argument: bytes) -> bytes:
    """Leave as C code that calls `_exit` does, with a word on standard error."""
    os.write(2, b"cannot go on\n")
    os._exit(int(argument))


def exit_with_words(argument: bytes) -> bytes:
    sys.exit("no such weights")


def fail(argument: bytes) -> bytes:
    raise ValueError("a kernel of 7\nis larger than the image " + "x" * 10_000)


def refuse(argument: bytes) -> bytes:
    """In the words that come in; after a colon, what the cause said."""
    sentence, _, cause = argument.decode().partition(": ")
    raise UserError(sentence) from RuntimeError(cause)


def return_text(argument: bytes) -> bytes:
    return "text"  # type: ignore[return-value]


def run_out_of_memory(argument: bytes) -> bytes:
    return bytes(1 << 60)


class OutOfMemoryError(RuntimeError):
    """Called as torch calls its own."""


def raise_named(argument: bytes) -> bytes:
    """Raise one of the errors that torch raises, or one that only looks like it."""
    errors: dict[bytes, Exception] = {
        b"cuda": OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        b"cpu": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 1 byte"),
        b"cublas": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        b"shape": RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        b"value": ValueError("out of memory is what this model is called"),
    }
    raise errors[argument]


def lack_an_engine(argument: bytes) -> bytes:
    """As cuDNN does, while so many bytes are free on the device, or (empty) it cannot be asked."""

    def free_memory() -> int:
        if not argument:
            raise RuntimeError("CUDA error: unspecified launch failure")
        return int(argument)

    with free_memory_told(free_memory):
        raise RuntimeError("FIND was unable to find an engine to execute this computation")


def hang(argument: bytes) -> bytes:
    stage("warm-up")
    time.sleep(600)
    return b"never"


def hang_in_c(argument: bytes) -> bytes:
    """Deaf to every signal that Python could handle."""
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    ctypes.CDLL(None).sleep(600)
    return b"never"


def leave_orphans(argument: bytes) -> bytes:
    """Return while a grandchild in a session of its own still holds every stream it was given."""
    subprocess.Popen(["sleep", "600"], start_new_session=True, close_fds=False)
    subprocess.Popen(["sh", "-c", "setsid sleep 600 & setsid setsid sleep 600 & exec sleep 600"])
    return b"done"


def hang_with_orphans(argument: bytes) -> bytes:
    leave_orphans(argument)
    return hang(argument)


def describe(argument: bytes) -> bytes:
    """What the child was given: standard input, group, memory score, a variable."""
    standard_input = os.read(0, 1)
    score = open("/proc/self/oom_score_adj").read().strip()  # noqa: PTH123, SIM115
    own_group = os.getpgid(0) == os.getpid()
    sys.stdout.write("printed without a newline")
    return f"{standard_input!r} {own_group} {score} {os.environ.get('PLANTED')}".encode()


def touch_memory(argument: bytes) -> bytes:
    """Hold that many bytes at once."""
    held = bytearray(int(argument))
    held[::4096] = b"x" * len(held[::4096])
    return b"done"


def in_bad_fork(argument: bytes) -> bytes:
    """Whether CUDA was started before this process was forked."""
    import torch

    return str(torch.cuda._is_in_bad_fork()).encode()
