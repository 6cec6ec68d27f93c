"""The door of drivers: the app on their phones, and whoever else they let read for them."""
