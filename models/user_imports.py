"""Importing a user's file, whatever his packages are called; for the child only.

A user may well have packages called `models`, `bench` or `reports`, as we do. While his file is imported
and his factory runs, those names lead to his folders if he has such packages there; what he did import under
them stays in `sys.modules` (torch.compile looks modules up there by name), else ours come back. So nothing of
ours may be imported for the first time after a user's file.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from models.catalogue import OUR_PACKAGES


def import_file(path: Path, dotted: str) -> ModuleType:
    """The module of a file, which `package_of` says to be called so; inside `user_packages`."""
    return importlib.import_module(dotted) if "." in dotted else _import_lone(path)


def package_of(path: Path) -> tuple[Path, str]:
    """The folder that must be on the path, and the dotted name under which the file is imported from there.

    The package goes up as far as there is an `__init__.py`, or as far as the file's relative imports reach.
    """
    levels = max(
        (node.level for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.ImportFrom)),
        default=0,
    )
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file() or len(parts) <= levels:
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _import_lone(path: Path) -> ModuleType:
    """Import a file that belongs to no package, under another name where its own is taken."""
    name = path.stem
    if name in sys.stdlib_module_names or name in sys.modules or name in OUR_PACKAGES:
        name = f"{name}_of_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class _Finder:
    """Finds some top-level packages in the user's folders, before ours are found where they are installed."""

    def __init__(self, names: Sequence[str], folders: Sequence[str]) -> None:
        self.names, self.folders = names, folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, self.folders) if name in self.names else None


@contextmanager
def user_packages(path: Path, root: Path, dotted: str) -> Iterator[None]:
    """While this lasts, the names that the user's folders provide lead there, and not to ours.

    Python then searches as if it had been started in `root`, the folder of the file's package.
    """
    folders = list(dict.fromkeys([str(root), str(Path.cwd())]))
    sys.path[:] = [*folders, *(entry for entry in sys.path if entry not in folders), str(path.parent)]
    importlib.invalidate_caches()
    top = dotted.split(".")[0]
    candidates = {*OUR_PACKAGES, top} if "." in dotted else {*OUR_PACKAGES}
    names = [name for name in sorted(candidates) if _provides(folders, name)]
    ours = {key: module for key, module in sys.modules.items() if key.split(".")[0] in names}
    for key in ours:
        del sys.modules[key]
    finder = _Finder(names, folders)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        theirs = {name for name in names if name in sys.modules}
        for name in theirs:
            if getattr(sys.modules[name], "__file__", "") is None:
                # A folder without __init__.py. `inspect`, which has seen our file under this name before,
                # would trip over the None that stands there.
                del sys.modules[name].__file__
        sys.modules.update({key: ours[key] for key in ours if key.split(".")[0] not in theirs})


def _provides(folders: Sequence[str], name: str) -> bool:
    """Whether there is a package or module of that name in the folders, other than convbench's own."""
    spec = PathFinder.find_spec(name, folders)
    if spec is None:
        return False
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.origin else ())]
    ours = Path(__file__).resolve().parent.parent / name
    return not any(Path(place).resolve() in (ours, ours / "__init__.py") for place in places)


@contextmanager
def isolated_imports() -> Iterator[None]:
    """Undo what loading a network did to `sys.path`, and drop what was imported from there.

    For a process that loads one network after another: two files may each have a neighbour `blocks.py`.
    """
    path, modules = list(sys.path), dict(sys.modules)
    try:
        yield
    finally:
        added = {str(Path(entry)) for entry in set(sys.path) - set(path)}
        sys.path[:] = path
        for key, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            replaced = key in modules and modules[key] is not module
            if replaced or (key not in modules and file and added & {str(up) for up in Path(file).parents}):
                del sys.modules[key]
        sys.modules.update({key: module for key, module in modules.items() if key not in sys.modules})
