"""One plan on many machines: a job for each node, what became of it, and what is missing."""
