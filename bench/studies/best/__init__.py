"""The fastest configuration of a network on this machine: what is tried, in which order, and what is sure."""
