"""Published latencies beside the same work measured today."""
