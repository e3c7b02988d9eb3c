"""Training runs: what a network learns, how fast, at which precision."""
