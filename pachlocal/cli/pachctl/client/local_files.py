"""Reading whole what the user names: a file, standard input, or a URL."""

from __future__ import annotations

import sys
from pathlib import Path

from pachlocal.errors import CliError
from pachlocal.untrusted import decode_text, read_bounded

STDIN = "-"
_URL = ("http://", "https://")
_URL_TIMEOUT_S = 60.0
_MOST = 64 * 2**20  # bytes: more than anything that is meant to be read whole


def name_of(path: str) -> str:
    """Return what to call a file in messages."""
    return "standard input" if path == STDIN else path


def read_bytes(path: str) -> bytes:
    """Return what is in a file.

    Args:
        path: The file; - is standard input.

    Raises:
        CliError: It can't be read, or is larger than all that is meant to be read whole.
    """
    try:
        return read_bounded(sys.stdin.buffer if path == STDIN else Path(path), _MOST)
    except FileNotFoundError:
        raise CliError(f"{path}: no such file") from None
    except OSError as error:
        raise CliError(f"{name_of(path)}: {error.strerror}") from None
    except ValueError as error:
        raise CliError(f"{name_of(path)}: {error}") from None


def read_text(path: str) -> str:
    """Return what is in a text file (UTF-8); see `read_bytes`."""
    try:
        return decode_text(read_bytes(path))
    except ValueError as error:
        raise CliError(f"{name_of(path)}: {error}") from None


def read_text_at(path: str) -> str:
    """Return what is in a text file, or what an http or https URL gives; see `read_text`."""
    if not path.startswith(_URL):
        return read_text(path)
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    try:
        with urllib.request.urlopen(path, timeout=_URL_TIMEOUT_S) as answer:  # noqa: S310 - checked
            return decode_text(read_bounded(answer, _MOST))
    except urllib.error.HTTPError as error:
        raise CliError(f"{path}: {error.code} {error.reason}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise CliError(f"{path}: {getattr(reason, 'strerror', None) or reason}") from None
    except (HTTPException, ValueError) as error:  # also of a URL that is none
        raise CliError(f"{path}: {error}") from None
