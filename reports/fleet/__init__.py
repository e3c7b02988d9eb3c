"""Which unit of a fleet is slow, why, and what is missing."""
