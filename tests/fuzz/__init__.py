"""Odd messages and odd command lines: every call, every command, boundary values everywhere."""
