"""Warm-up, sampling and clocks; no torch."""
