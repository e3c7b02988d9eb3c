"""What a job says of ranks that ended, from what is known of each."""

from __future__ import annotations

import signal

from bench.distributed.rank_ends import RankEnd, why_failed
from bench.forkserver.failure import told
from bench.forkserver.outcome import explain

ENDS = [RankEnd(rank=0), RankEnd(rank=1, during=" (during: timing)", last_line="step 7")]


def test_a_rank_that_the_kernel_killed_for_memory_ran_out_of_it() -> None:
    kind, reason = explain(told(why_failed(ENDS, 1, -signal.SIGKILL, memory_kills=1)))
    assert kind == "oom"
    assert reason == "MemoryError: rank 1 was killed by the kernel for want of memory (during: timing)"


def test_a_rank_that_somebody_else_killed_crashed() -> None:
    kind, reason = explain(told(why_failed(ENDS, 1, -signal.SIGKILL)))
    assert (kind, reason) == ("crashed", "rank 1 was killed by SIGKILL (during: timing): step 7")
    kind, _ = explain(told(why_failed(ENDS, 1, 7, memory_kills=1)))
    assert kind == "crashed"
