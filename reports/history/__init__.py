"""Published latencies and the same work measured today."""
