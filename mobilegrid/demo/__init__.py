"""A seeded town that lives through a day, and the tour that shows it."""
