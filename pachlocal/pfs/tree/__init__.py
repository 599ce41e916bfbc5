"""A file tree and its content: entries, folders, changes, chunks, globs, paths.

It knows neither repos nor commits. All of `pfs` may call it; it calls only storage.
"""
