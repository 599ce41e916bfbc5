"""The workshop's two stages in other tools: the same scripts, the same data, the same machine.

`python -m bench.peers` installs each tool in an environment of its own, from its lock beside this
file, and prints a table. It takes some ten minutes with the 200 files of `docs/performance.md`.
"""
