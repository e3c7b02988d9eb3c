"""What `convbench --version` says: one line, without importing torch."""

from __future__ import annotations

import platform

import typer

from bench.cli import output
from bench.host import installed


def text() -> str:
    """Versions of convbench, torch with the CUDA it was built for, and Python."""
    torch, cuda = installed.version_of("torch"), installed.torch_cuda()
    parts = (
        f"convbench {installed.version_of('convbench') or '(not installed)'}",
        f"torch {torch or '(not installed)'}",
        f"CUDA {cuda}" if cuda else "no CUDA",
        f"Python {platform.python_version()}",
    )
    return ", ".join(parts)


def show(is_asked: bool) -> None:
    """Of the option: print the line and end well."""
    if is_asked:
        output.show(f"{text()}\n")
        raise typer.Exit
