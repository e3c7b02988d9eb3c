"""Plots as data -> pictures."""
