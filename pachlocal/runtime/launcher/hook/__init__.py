"""The folder that comes first on PYTHONPATH of a script's interpreter during its startup.

Its modules are self-contained, and import only modules that every interpreter loads anyway or that
are written in C, so that a script finds its usual sys.modules: no pathlib, typing or signal.
"""
