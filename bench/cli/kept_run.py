"""The run that this command makes: where it is kept, how far it is, and the command that continues it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

_RESUMABLE = (
    *("run", "time", "train", "ablate", "best", "max-batch", "ceilings", "layers", "claims", "history"),
    *("fleet", "scale", "bisect"),
)


@dataclass
class KeptRun:
    """Of the command that runs.

    folder  where its records are; None where they are gone afterwards
    done    processes that are over
    total   processes that are planned; 0 before the first begins
    what    is counted in their place, as "tests"
    """

    folder: Path | None = None
    done: int = 0
    total: int = 0
    what: str = "processes"

    @property
    def has_begun(self) -> bool:
        return self.total > 0

    def begin(self, folder: Path | None) -> None:
        """Forget the run before, which only tests have."""
        self.folder, self.done, self.total, self.what = folder, 0, 0, "processes"

    def told(self, done: int, total: int) -> None:
        self.done, self.total = done, total


current = KeptRun()


def interrupted() -> str:
    """What Ctrl-C leaves, and how to go on."""
    if not current.has_begun:
        return "interrupted before anything was measured"
    if current.folder is None:
        return "interrupted; nothing was saved: add --out FOLDER to keep finished processes"
    saved = f"interrupted; {current.done} of {current.total} {current.what} are saved in {current.folder}"
    return f"{saved}{how_to_continue()}"


def how_to_continue() -> str:
    """`. Continue with: convbench run --resume --out runs/1`; empty for a command that cannot."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in _RESUMABLE:
        return ""
    if current.folder is None:
        return ". Add --out FOLDER to be able to continue"
    return f". Continue with: {shlex.join(['convbench', *_continuing(arguments, current.folder)])}"


def _continuing(arguments: list[str], folder: Path) -> list[str]:
    """`run --resume` where the folder keeps the plan of what was asked, or those of its GPUs; so for a fleet;
    else the whole command."""
    from bench.runner.plan_file import PLAN

    if arguments[:2] == ["fleet", "confirm"]:
        return arguments  # its folder is no option, and keeps who is measured again
    if arguments[0] == "fleet":
        return ["fleet", "run", "--resume", "--out", str(folder)]
    keeps_plan = (folder / PLAN).exists() or any(folder.glob(f"*/{PLAN}"))
    if arguments[0] in ("time", "scale") or (arguments[0] == "run" and keeps_plan):
        return ["run", "--resume", "--out", str(folder)]
    again = [each for each in arguments if each != "--resume"]
    named = any(each == "--out" or each.startswith("--out=") for each in again)
    return [*again, "--resume", *([] if named else ["--out", str(folder)])]
