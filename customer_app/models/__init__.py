"""What each screen knows and can do; no picture of it."""
