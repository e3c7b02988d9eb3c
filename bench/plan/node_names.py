"""What `--node-name` calls a machine."""

from __future__ import annotations

from models.errors import UserError

_LONGEST = 100


def checked(text: str) -> str:
    """The name. UserError for one that no table and no sentence could show."""
    if not text.isprintable() or text != text.strip() or not 0 < len(text) <= _LONGEST:
        raise UserError(f"--node-name must be 1 to {_LONGEST} printable characters, got {text!r}")
    return text
