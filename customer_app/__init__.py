"""The app of the driver: Flet over HTTP, knows no room of ours. Empty until its first screen."""
