"""What the app checks for itself: proofs of the log, under a policy it came with."""
