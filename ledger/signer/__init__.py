"""The signing keys: a key file for development; hardware and its own process come later."""
