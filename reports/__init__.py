"""What the records say: typed tables, and their text in several formats."""
