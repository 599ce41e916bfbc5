"""The folder that comes first on PYTHONPATH of a script's interpreter, until its start is over.

The modules in it stand alone, and import only what every interpreter has loaded anyway and what is
written in C: a script is to find the same sys.modules as ever. So no pathlib, typing or signal.
"""
