"""The app of the driver: Flet over HTTP; it knows no other room of ours, only the driver door."""
