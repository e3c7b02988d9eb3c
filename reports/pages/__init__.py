"""One document for each command."""
