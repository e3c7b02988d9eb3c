"""Warnings of a record: their labels and the thresholds behind them."""

from __future__ import annotations

LAUNCH_BOUND = 0.9
"""Host time at this share of device time or more: the GPU waits for Python.
See docs/method.md, "What a label means"."""
