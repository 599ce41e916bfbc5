"""Reading and writing the files of commits, file sets, and the datum tags of written files.

Calls `history` and `tree`; `filesystem` and the API call it.
"""
