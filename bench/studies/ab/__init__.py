"""Two configurations or environments in interleaved pairs of processes."""
