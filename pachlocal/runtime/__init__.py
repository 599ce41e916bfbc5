"""Runs one datum's command: as a process of this machine, or in a container."""
