"""A disk that may lose power: records what a daemon does to its store, and says what may be left.

`recorder` has it recorded, `events` are what was recorded, `model` builds what a disk may hold.
"""
