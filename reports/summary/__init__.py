"""Records -> figures: read, summarise, pool."""
