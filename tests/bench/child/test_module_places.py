"""From which files a network was imported, as its child says it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec
import pytest

from bench.child.module_places import module_places
from bench.schema.case import Case
from models.user_imports import SOURCES, isolated_imports

NET = "from torch import nn\nimport width_of_net\n\ndef build(): return nn.Conv2d(3, width_of_net.WIDTH, 3)\n"


def places(model: str) -> dict[str, str]:
    """What another network of this process has imported does not count."""
    for name in [name for name in sys.modules if name.startswith(("width_of_net", "package_of_net"))]:
        del sys.modules[name]
    with isolated_imports():
        answer = module_places(msgspec.json.encode(Case(model=model, image=8)))
    return msgspec.json.decode(answer, type=dict[str, str])


@pytest.mark.parametrize("model", ["net.py:build", "package_of_net.inner:build"])
def test_folders_of_sources_come_before_what_is_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """Of a file and of a module: another commit's files in the place of what is installed."""
    for name in ("installed", "worktree"):
        package = tmp_path / name / "package_of_net"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "inner.py").write_text(NET)
        (tmp_path / name / "width_of_net.py").write_text(f"WIDTH = {len(name)}\n")
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path / "nets")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    found = places(model)
    assert found["width_of_net"] == f"{tmp_path}/installed/width_of_net.py"
    monkeypatch.setenv(SOURCES, os.pathsep.join([f"{tmp_path}/none", f"{tmp_path}/worktree"]))
    found = places(model)
    assert found["width_of_net"] == f"{tmp_path}/worktree/width_of_net.py"
    if "package" in model:
        assert found["package_of_net"] == f"{tmp_path}/worktree/package_of_net"
    assert Path(found["torch"]).name == "torch"
    assert not {"os", "sys", "json"} & found.keys()
