"""Processes one datum in one worker: lays out its inputs, runs the program, collects its output.

Calls `tables`, `spec` and the runtime; only `run` calls it.
"""
