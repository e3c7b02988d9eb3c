"""What this machine says about itself: /proc, /sys, control groups, NVML; no torch."""
