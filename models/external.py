"""Networks that are not ours: torchvision's, and a user's from a module or a file; for the child only.

A user may well have packages called `models`, `bench` or `reports`, as we do. While his file is imported
and his factory runs, those names lead to his folders if he has such packages there; what he did import under
them stays in `sys.modules` (torch.compile looks modules up there by name), else ours come back. So nothing of
ours may be imported for the first time after `load_file`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from models.catalogue import OUR_PACKAGES, FileFactory, ModuleFactory, Torchvision, nearest
from models.errors import UserError

OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
"""Told apart from a factory's own errors: a network too large for the machine is a result."""


class FactoryError(UserError):
    """A network that is not ours could not be made; the message is one sentence with its own error."""


def load_torchvision(source: Torchvision, *, channels: int, classes: int) -> nn.Module:
    """Torchvision's network without weights; raises UserError for a name that it does not have."""
    import torchvision

    if channels != 3:
        raise UserError(f"torchvision:{source.name} takes images of 3 channels only, not {channels}")
    names = torchvision.models.list_models()
    if source.name not in names:
        raise UserError(f"unknown torchvision model {source.name!r}{nearest(source.name, names)}")
    builder = torchvision.models.get_model_builder(source.name)
    given: dict[str, object] = {"weights": None, "num_classes": classes}
    if "weights_backbone" in inspect.signature(builder).parameters:
        given["weights_backbone"] = None  # by default it would be downloaded
    with _as_factory_error(f"torchvision:{source.name}"):
        made: nn.Module = builder(**given)
    return made


def load_module(source: ModuleFactory, *, channels: int, image: int, classes: int) -> nn.Module:
    """What a factory of an importable module returns; the current folder is searched last."""
    name = f"{source.module}:{source.factory}"
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    with _as_factory_error(name):
        module = importlib.import_module(source.module)
    return _call(name, module, source.factory, channels, image, classes)


def load_file(source: FileFactory, *, channels: int, image: int, classes: int) -> nn.Module:
    """What a factory of a file returns, as if Python had been started in the folder of the file's package."""
    path = source.path.resolve()
    name = f"{source.path}:{source.factory}"
    root, dotted = package_of(path)
    folders = list(dict.fromkeys([str(root), str(Path.cwd())]))
    sys.path[:] = [*folders, *(entry for entry in sys.path if entry not in folders), str(path.parent)]
    importlib.invalidate_caches()
    with _user_packages(folders, dotted), _as_factory_error(name):
        module = importlib.import_module(dotted) if "." in dotted else _import_lone(path)
        return _call(name, module, source.factory, channels, image, classes)


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
def _user_packages(folders: Sequence[str], dotted: str) -> Iterator[None]:
    """While this lasts, the names that the user's folders provide lead there, and not to ours."""
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


def _call(name: str, module: ModuleType, factory: str, channels: int, image: int, classes: int) -> nn.Module:
    """Call a factory with those of channels, image and classes that it names, and check what it returns."""
    with _as_factory_error(name):
        made = getattr(module, factory)
        if not callable(made):
            raise FactoryError(f"{name} is {_a(made)}, not a callable that returns an nn.Module")
        given = {"channels": channels, "image": image, "classes": classes}
        result = made(**{key: given[key] for key in _accepted(made) if key in given})
    if not isinstance(result, nn.Module):
        raise FactoryError(f"{name} returned {_a(result)}, not an nn.Module")
    return result


def _accepted(function: Callable[..., object]) -> list[str]:
    """The names of the parameters that can be given by name; none where the callable does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]


def _a(value: object) -> str:
    return f"an object of type {type(value).__name__}"


@contextmanager
def _as_factory_error(name: str) -> Iterator[None]:
    """Turn whatever a user's code raises into a FactoryError with its own words, but for lack of memory."""
    try:
        yield
    except (UserError, *OUT_OF_MEMORY):
        raise
    except (Exception, SystemExit) as error:  # it is the user's code: anything may come
        if "DefaultCPUAllocator" in str(error):  # torch has no class of its own for the CPU's memory
            raise
        words = str(error).strip().splitlines()
        description = f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
        raise FactoryError(f"{name} failed with {description}") from error


@torch.no_grad()
def materialise(module: nn.Module, *, channels: int, image: int) -> None:
    """Let lazy layers take the shapes that one small batch gives them."""
    if any(isinstance(each, UninitializedParameter) for each in module.parameters()):
        training = module.training
        module.eval()(torch.zeros(1, channels, image, image))
        module.train(training)


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
