"""The app's way to the driver door: what is said on the wire, and typed calls."""
