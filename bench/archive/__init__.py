"""Runs kept for long: a folder for each, immutable and compressed, and names for some of them."""
