"""The largest batch whose step fits into memory."""
