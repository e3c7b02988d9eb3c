"""A name -> what to build. Imports no torch and runs no user's code, so that the parent may ask."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct, structs

from models import blocks, factory_file, libraries, variants
from models import spec as spec_text
from models.arch import FAMILIES, Arch, Family
from models.closed_form import ImageTooSmallError, shapes
from models.errors import UserError, nearest, unknown
from models.spec import Literals

OUR_PACKAGES = ("models", "bench", "reports", "convbench")

FORMS = (
    "a name that `convbench list models` has, alone or with +TRANSFORMATION=VALUE after it,"
    f" {blocks.FORM}, torchvision:NAME, timm:NAME, package.module:factory, path/file.py:factory; the last"
    " four also with arguments, path/file.py:factory(width=2)"
)


class Input(Struct, frozen=True):
    """What a network takes: channels, side of the square image in pixels, classes."""

    channels: int = 3
    image: int = 224
    classes: int = 1000


class Ours(Struct, frozen=True):
    arch: Arch


class Torchvision(Struct, frozen=True):
    name: str
    arguments: Literals = Literals()


class Timm(Struct, frozen=True):
    """A network of timm, by its name alone or with the tag of its weights."""

    name: str
    arguments: Literals = Literals()


class ModuleFactory(Struct, frozen=True):
    """A callable of an importable module that returns an nn.Module."""

    module: str
    factory: str
    arguments: Literals = Literals()


class FileFactory(Struct, frozen=True):
    """A callable of a file that returns an nn.Module."""

    path: Path
    factory: str
    arguments: Literals = Literals()


Source = Ours | Torchvision | Timm | ModuleFactory | FileFactory


def _found() -> Mapping[str, Arch]:
    """The networks of every file in this folder that has ARCHITECTURES, older families first."""
    families: list[tuple[Arch, ...]] = [
        importlib.import_module(f"models.{path.stem}").ARCHITECTURES
        for path in sorted(Path(__file__).parent.glob("*.py"))
        # No other file is imported: some import torch.
        if re.search(rb"^ARCHITECTURES\b", path.read_bytes(), re.MULTILINE)
    ]
    families.sort(key=lambda family: min(arch.year for arch in family))
    return MappingProxyType({arch.name: arch for family in families for arch in family})


MODELS: Mapping[str, Arch] = _found()


@functools.cache
def arch_of(spec: str) -> Arch | None:
    """The architecture of a network of ours, a variant of one or a block; None for every other name.

    Raises UserError for a variant and a block that cannot be read.
    """
    if spec.startswith(blocks.PREFIX):
        return blocks.block(spec)
    # A plus may also stand in the path of a file.
    if "+" in spec and ":" not in spec and not spec.endswith(".py"):
        return variants.variant(spec, MODELS)
    return MODELS.get(spec)


def parse(spec: str) -> Source:
    """What a name stands for.

    Raises UserError for a name that is not known, a transformation that is not or changes nothing, a file
    that is missing, is not Python or does not define the factory, a package that is not there, and a kind of
    network that takes no images. Modules are not imported here: what is wrong inside shows when the network
    is built.
    """
    if re.search(r"[\x00-\x1f\x7f]", spec):  # tables and terminals would take them for their own
        raise UserError(f"model {spec!r} has control characters in its name. Rename the file or folder")
    arch = arch_of(spec)
    if arch is not None:
        return Ours(arch)
    if ":" not in spec:
        raise _without_colon(spec)
    place, factory, arguments = structs.astuple(spec_text.read(spec))
    if not place or not factory:
        raise UserError(f"cannot read model {spec!r}. Accepted: {FORMS}")
    if place == "torchvision":
        return _torchvision(factory, arguments)
    if place == "timm":
        return _timm(factory, arguments)
    path = factory_file.expand(Path(place))
    reason = factory_file.why_no_python(path)
    if reason is not None:
        raise UserError(reason)
    if not factory.isidentifier():
        raise UserError(f"{factory!r} in model {spec!r} is not a function name. Accepted: {FORMS}")
    if place.endswith(".py"):
        factory_file.check(path, factory)
        return FileFactory(path, factory, arguments)
    return _module(place, factory, arguments)


def _without_colon(spec: str) -> UserError:
    """What is wrong with a name that is none of ours and names no factory."""
    path = factory_file.expand(Path(spec))
    reason = factory_file.why_no_python(path)
    if reason is not None and "/" in spec:
        return UserError(reason)
    if spec.endswith(".py"):
        told = f"model {spec!r} names no function. Give {spec}:FUNCTION"
        with contextlib.suppress(UserError):
            told += f". It defines {factory_file.listed(factory_file.names_of(path)) or 'nothing'}"
        return UserError(told)
    theirs = [library for library in ("torchvision",) if spec.lower() in libraries.torchvision_names()]
    if theirs:
        return UserError(f"unknown model {spec!r}. Did you mean '{theirs[0]}:{spec.lower()}'?")
    return unknown("model", spec, MODELS)


def family_of(spec: str) -> Family:
    """The family of a network; of one that is not ours, by the name that its author gave it."""
    arch = arch_of(spec)
    if arch is not None:
        return arch.family
    own = _own_name(spec)
    return next((family for family in FAMILIES if own.startswith(family)), "other")


def has_batch_norm(spec: str) -> bool:
    """Whether a network normalizes by the batch; of one that is not ours, by its name (`vgg16_bn`)."""
    arch = arch_of(spec)
    return arch.batch_norm if arch else "_bn" in _own_name(spec)


def _own_name(spec: str) -> str:
    """The name that its author gave a network, without the place where it stands."""
    try:
        return spec_text.read(spec).factory
    except UserError:  # an old record's
        return spec


def defaults(spec: str) -> Input:
    """The input a network was made for; 3 channels, 224 pixels and 1000 classes for a user's."""
    arch = arch_of(spec)
    if arch is not None:
        return Input(arch.channels, arch.image, arch.classes)
    library, colon, name = spec.partition(":")
    if not colon or library not in libraries.NAMES:
        return Input()
    published = libraries.network(library, name.partition("(")[0])
    return Input(published.channels, published.image, published.classes) if published else Input()


def why_impossible(spec: str, channels: int, image: int, classes: int, other_input: str = "") -> str | None:
    """Why a network cannot be built for this input, in a sentence; None where nothing is known against it."""
    match parse(spec):
        case Ours() if other_input:
            return f"{spec} takes square images, and no input of {other_input}: say --image and --channels"
        case Ours(arch):
            try:
                shapes(arch, channels=channels, image=image, classes=classes)
            except ImageTooSmallError as error:
                return str(error)
        case Torchvision() if channels != 3:
            return f"{spec} takes images of 3 channels only, not {channels}"
    return None


def _torchvision(name: str, arguments: Literals) -> Torchvision:
    if "+" in name:
        raise UserError(f"torchvision:{name} cannot be transformed: only built-in networks can")
    known = list(libraries.torchvision_names())
    # An empty list means that torchvision is laid out in another way than we know: it is asked later.
    if known and name.lower() not in known:
        raise UserError(f"unknown torchvision model {name!r}{nearest(name, known)}")
    reason = libraries.why_not_images(name.lower()) if known else None
    if reason is not None:
        raise UserError(f"torchvision:{name} {reason}")
    return Torchvision(name.lower(), arguments)


def _timm(name: str, arguments: Literals) -> Timm:
    if "+" in name:
        raise UserError(f"timm:{name} cannot be transformed: only built-in networks can")
    known = libraries.timm_networks()
    if not known:
        raise UserError(f"timm:{name} needs the package timm: pip install 'convbench[timm]'")
    if name not in known:
        raise UserError(f"unknown timm model {name!r}{nearest(name, list(known))}")
    return Timm(name, arguments)


def _module(module: str, factory: str, arguments: Literals) -> ModuleFactory:
    if not all(part.isidentifier() for part in module.split(".")):
        raise UserError(f"{module!r} is neither a module nor a .py file. Accepted: {FORMS}")
    package = module.split(".")[0]
    if package in OUR_PACKAGES:
        path = f"{module.replace('.', '/')}.py"
        raise UserError(f"{package!r} is a package of convbench. Give the file instead: {path}:{factory}")
    # The child looks in the current folder last, as here; only the first package can be sought unimported.
    here = importlib.machinery.PathFinder.find_spec(package, [str(Path.cwd())])
    if package not in sys.modules and importlib.util.find_spec(package) is None and here is None:
        missing = f"no package or module {package!r} in {Path.cwd()} or among the installed ones"
        if "." in module:
            raise UserError(missing)
        near = nearest(module, ["torchvision", "timm", "block"])
        raise UserError(f"{missing}, nor a library of networks{near}. Accepted: {FORMS}")
    return ModuleFactory(module, factory, arguments)
