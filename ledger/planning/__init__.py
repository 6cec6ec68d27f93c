"""What to do next: proposals, never actions."""
