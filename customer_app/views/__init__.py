"""One screen each; a screen reads its model and calls it."""
