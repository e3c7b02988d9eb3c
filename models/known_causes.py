"""Errors of a user's code whose own words do not say what to do: what it did, in ours. Runs none of it."""

from __future__ import annotations

import re
from pathlib import Path

_FETCHING = ("urllib", "urllib3", "http", "socket", "ssl", "requests", "httpx", "huggingface_hub")
"""Packages whose errors come of a download."""

_SAID = (
    (
        r"Found no NVIDIA driver|not compiled with CUDA|No CUDA GPUs are available"
        r"|driver version is insufficient|deserialize object on a CUDA device",
        "asks for a CUDA GPU, and has none here: let --device place the network, make tensors on the device"
        " of its input, and load checkpoints with map_location",
    ),
    (r'is missing the required "forward" function', "calls a module that has no method forward"),
    (r"before Module\.__init__\(\) call", "sets a layer before it calls super().__init__()"),
    (r"^Error\(s\) in loading state_dict", "loads weights that do not fit the network it builds"),
    (
        r"Expected more than 1 value per channel",
        "gives batch normalization a single value of each channel: use a larger --batch or --image",
    ),
    (
        r"Expected more than 1 spatial element",
        "gives instance normalization a single pixel of each channel: use a larger --image",
    ),
    (
        r"modified by an inplace operation|leaf Variable that requires grad is being used in an in-place",
        "changes in place what its own backward pass needs",
    ),
    (
        r"(same|mismatched|different) d?type|should be the same$|but (got|found) \w*(Float|Half|Double)",
        "makes or keeps tensors of another dtype than the precision's",
    ),
    (
        r"does not require grad and does not have a grad_fn",
        "has a loss that depends on no parameter: its output is detached, or made under no_grad",
    ),
    (
        r"Please convert all Tensors to FakeTensors first",
        "calls an operator that torch.compile must trace (torch.cond), and the engine eager turns it off: "
        "use --engine compile",
    ),
    (
        r"backward through the graph a second time",
        "keeps tensors of one step for the next, with their graph",
    ),
)
"""What torch says -> what the code did."""


def known_cause(error: BaseException) -> str | None:
    """What the code did, to stand after its name: `imports 'einops', which is not installed`; None where
    the error speaks for itself."""
    if isinstance(error, ImportError):
        return _of_import(error)
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
        if Path(error.filename).is_absolute():
            return f"opens {error.filename!r}, which does not exist"
        return (
            f"opens {error.filename!r}, which is not in {Path.cwd()}, where convbench was started: begin the"
            " path with the folder of __file__"
        )
    if isinstance(error, ConnectionError) or type(error).__module__.partition(".")[0] in _FETCHING:
        return "downloads something, and cannot: fetch it beforehand, or build the network without it"
    return next((did for words, did in _SAID if re.search(words, str(error))), None)


def _of_import(error: ImportError) -> str | None:
    if error.name is None:
        return None
    if not isinstance(error, ModuleNotFoundError):
        return f"imports a name that {error.name!r} does not have, as it is installed or found here"
    package, _, part = error.name.partition(".")
    if part:
        return f"imports {error.name!r}, which {package!r} does not have, as it is installed or found here"
    return (
        f"imports {error.name!r}, which is neither installed with convbench nor next to the file:"
        " install it there"
    )


def words_of(error: BaseException) -> str:
    """`ValueError: no such weights`, in one line: the first, and another where that ends in a colon."""
    lines = str(error).strip().splitlines()
    said = " ".join(line.strip() for line in lines[: 2 if lines and lines[0].endswith(":") else 1])
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
