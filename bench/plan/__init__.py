"""Wishes -> cases in the order of measuring; no torch."""
