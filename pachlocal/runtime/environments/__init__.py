"""The environments of stages: a folder's dependencies, installed once and kept.

`wanted` reads a folder's dependencies, `recipes` describes how each language installs them, `shelf`
stores one user's environments, which all daemons share, and runtimes get them from `keeper`.
"""
