"""A job in a process of its own; knows nothing of what is measured."""
