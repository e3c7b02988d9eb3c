"""A GPU's energy through NVML. What its counter cannot say is None, with the reason: never 0."""

from __future__ import annotations

from collections.abc import Callable

from bench.host.nvml import Nvml, NvmlGpu, UnreadableError, by_torch_uuid, is_divided

WHOLE_BOARD = "under MIG the counter is that of the whole board"


class EnergyCounter:
    """Joules since the driver was loaded (nvmlDeviceGetTotalEnergyConsumption, Volta and later; it moves
    about every 100 ms)."""

    def __init__(self, open_nvml: Callable[[], Nvml], uuid: str) -> None:
        """`uuid` is the GPU's as torch gives it."""
        self.why_absent: str | None = None
        self.why_no_power: str | None = None
        self._gpu: NvmlGpu | None = None
        self._last = 0.0
        try:
            gpu = by_torch_uuid(open_nvml(), uuid)
            if is_divided(gpu):
                raise UnreadableError(WHOLE_BOARD)
            self._gpu = gpu
        except UnreadableError as error:
            self.why_absent = self.why_no_power = str(error)

    def joules(self) -> float | None:
        """The counter now; None, from the first failure on, where it cannot be read."""
        if self._gpu is None:
            return None
        try:
            joules = self._gpu.energy_joules()
            if joules < self._last:
                raise UnreadableError("the energy counter went back: the driver was loaded again")
        except UnreadableError as error:
            self._gpu, self.why_absent = None, str(error)
            return None
        self._last = joules
        return joules

    def watts(self) -> float | None:
        """The board's power at this instant; None where it cannot be read."""
        if self._gpu is None:
            return None
        try:
            return self._gpu.power_watts()
        except UnreadableError as error:
            self.why_no_power = str(error)
            return None
