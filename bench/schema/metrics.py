"""Names of metrics, and the kinds that they come in."""

from __future__ import annotations

SPOILED = "spoiled_"
"""Before the metric of a window that was taken again: its samples are kept, and stand for nothing."""
LEDGER = "ledger_"
"""Before the kind of what is alive at the instant of a step's peak, in bytes; and before that `peak`."""
CLOCKS = {"device_time": "device", "wall_time": "wall", "host_time": "host"}
KINDS = (
    "weights",
    "buffers",
    "gradients",
    "optimizer_state",
    "saved_activations",
    "peak_resident",
    "peak_allocated",
    "peak_requested",
    "peak_reserved",
    "driver_other",
)
"""The columns' order; kinds that are not named here follow them."""
PEAKS = ("peak_allocated", "peak_resident")
"""What `peak in` is about: the first of these that a table has."""
