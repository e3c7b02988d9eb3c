"""What a plug-in must keep, and how it is found."""
