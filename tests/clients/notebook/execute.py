"""Runs a notebook: execute.py NOTEBOOK OUTPUT; the server is the one that PACHD_ADDRESS names."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

notebook, output = map(Path, sys.argv[1:])
content = nbformat.read(notebook, as_version=4)
metadata = content.metadata.copy()
resources = {"metadata": {"path": str(notebook.parent)}}
NotebookClient(content, timeout=120, resources=resources, record_timing=False).execute()
content.metadata = metadata  # without the version of Python
nbformat.write(content, output)
