"""Runs the commands of a Markdown page, and puts what they print under them."""
