"""What N devices give over one, and what is lost on the way."""
