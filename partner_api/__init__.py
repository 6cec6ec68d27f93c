"""All doors: HTTP and WebSocket, no rule and no SQL. Empty until the first door is built."""
