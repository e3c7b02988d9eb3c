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
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from models.catalogue import OUR_PACKAGES

SOURCES = "CONVBENCH_SOURCES"
"""The environment variable with folders, joined as those of PATH, in which a user's packages are looked for
ahead of all others: of another commit's files, in the place of what is installed."""


def source_folders() -> list[str]:
    """Those of SOURCES; usually none."""
    return [folder for folder in os.environ.get(SOURCES, "").split(os.pathsep) if folder]


class Place(NamedTuple):
    """Where a file stands: the folders of its package from the outermost, none for a file that has none."""

    path: Path
    packages: tuple[Path, ...]

    @property
    def root(self) -> Path:
        """The folder that must be on the path."""
        return self.packages[0].parent if self.packages else self.path.parent

    @property
    def names(self) -> list[str]:
        """The parts of the dotted name under which the file is imported from there."""
        own = [] if self.path.name == "__init__.py" and self.packages else [self.path.stem]
        return [_importable(name) for name in [*(folder.name for folder in self.packages), *own]]


def place_of(path: Path) -> Place:
    """Of a file that can be read as Python.

    The package goes up as far as there is an `__init__.py` in a folder whose name may be a package's, or as
    far as the file's relative imports reach.
    """
    real = path.resolve()
    if real.suffix != ".py":  # a link to what a store names by its content
        real = path.parent.resolve() / path.name
    with warnings.catch_warnings(action="ignore"):
        tree = ast.parse(real.read_bytes())
    levels = max((node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)), default=0)
    is_own = real.name == "__init__.py"
    packages: list[Path] = []
    folder = real.parent
    while folder != folder.parent and (
        len(packages) < levels or _is_package(folder) or (is_own and not packages)
    ):
        packages.insert(0, folder)
        folder = folder.parent
    return Place(real, tuple(packages))


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").is_file() and "." not in folder.name


def _importable(name: str) -> str:
    """A dot in a name would say that what stands before it is a package."""
    return name.replace(".", "_")


def import_file(place: Place) -> ModuleType:
    """The module of a file; inside `user_packages`."""
    if not place.packages:
        return _import_lone(place.path)
    for depth, folder in enumerate(place.packages, start=1):
        if "." in folder.name:
            _import_from(".".join(place.names[:depth]), folder / "__init__.py", [str(folder)])
    dotted = ".".join(place.names)
    if "." in place.path.stem:
        importlib.import_module(dotted.rpartition(".")[0])
        return _import_from(dotted, place.path)
    return importlib.import_module(dotted)


def _import_lone(path: Path) -> ModuleType:
    """Import a file that belongs to no package, under another name where its own is taken."""
    name = _importable(path.stem)
    if name in sys.stdlib_module_names or name in sys.modules or name in OUR_PACKAGES:
        name = f"{name}_of_{_importable(path.parent.name)}"
    return _import_from(name, path)


def _import_from(name: str, path: Path, folders: list[str] | None = None) -> ModuleType:
    """Import a file, or a package of these folders with or without an `__init__.py`, under this name."""
    if folders and not path.is_file():
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = folders
    else:
        found = importlib.util.spec_from_file_location(name, path, submodule_search_locations=folders)
        if found is None:
            raise ImportError(f"{path} is not a Python file")
        spec = found
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if spec.loader is not None:
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
def user_packages(place: Place) -> Iterator[None]:
    """While this lasts, the names that the user's folders provide lead there, and not to ours.

    Python then searches as if it had been started in the folder of the file's package.
    """
    folders = list(dict.fromkeys([str(place.root), *source_folders(), str(Path.cwd())]))
    sys.path[:] = [*folders, *(entry for entry in sys.path if entry not in folders), str(place.path.parent)]
    importlib.invalidate_caches()
    candidates = {*OUR_PACKAGES, place.names[0]} if place.packages else {*OUR_PACKAGES}
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
