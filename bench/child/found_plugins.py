"""The plug-ins, found when this is imported: by the fork server, once for all of its children."""

from __future__ import annotations

from bench import devices, engines, workloads

FOUND = (devices.devices(), engines.engines(), workloads.workloads())
