"""What to do next: proposals, never actions. Empty until charging and dispatch are planned."""
