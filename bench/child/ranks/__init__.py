"""In each rank of one job: the steps that all ranks make together, and what goes between them."""
