"""The HTTP front from outside: its start beside a daemon or by itself, and its end."""
