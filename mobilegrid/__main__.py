"""`python -m mobilegrid` is the command `mobilegrid`."""

from mobilegrid.cli.main import main

main(prog_name="mobilegrid")
