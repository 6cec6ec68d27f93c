"""The app's host: plain ASGI in front of Flet; only servers import this room, a phone build not."""
