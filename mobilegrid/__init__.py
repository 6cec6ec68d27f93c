"""Put together and run: settings, wiring, command line, demo."""
