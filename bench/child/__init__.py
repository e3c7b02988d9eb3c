"""What runs in a child process: torch at work. The parent never imports it."""
