"""In the child: from which files a network was imported."""

from __future__ import annotations

import sys
from types import ModuleType

import msgspec

from bench import devices
from bench.child.case_network import load_network
from bench.schema.case import Case
from bench.schema.plain_text import encode


def module_places(argument: bytes) -> bytes:
    """An encoded Case in; out, encoded, of each top-level module but those of the standard library that is
    there once the network is built: the file or folder that it came from. Raises what building raises."""
    load_network(msgspec.json.decode(argument, type=Case), devices.host().name)
    top = {name: module for name, module in list(sys.modules.items()) if "." not in name}
    return encode(
        {
            name: place
            for name, module in top.items()
            if name not in sys.stdlib_module_names and (place := _place(module))
        }
    )


def _place(module: ModuleType) -> str | None:
    """Its file, or of a package the first folder of its modules."""
    folders = list(getattr(module, "__path__", ()))
    return str(folders[0]) if folders else getattr(module, "__file__", None)
