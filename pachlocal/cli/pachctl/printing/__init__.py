"""How things look on a terminal: tables, words, ages and sizes, progress.

Calls nothing but `proto`; the commands call it.
"""
