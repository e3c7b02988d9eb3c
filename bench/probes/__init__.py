"""What can be read off a network or a machine beside its time: a file for each metric."""
