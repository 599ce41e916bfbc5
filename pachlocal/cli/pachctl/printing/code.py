"""How versions of code are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pachlocal.proto import local_pb2

_DIGITS = 12  # enough to compare by eye; --raw has all
_NAMED = 3  # files


def short(name: str) -> str:
    """Return the name of a version, short; `-` for none."""
    return name.removeprefix("sha256:")[:_DIGITS] or "-"


def version_line(version: local_pb2.CodeVersion) -> str:
    """Return a version's short name, and how it differs from the newest one and from now."""
    parts = []
    if not version.newest:
        parts.append(_differs(version.newest_changed, "the newest"))
    if version.current_unknown:
        parts.append(f"what there is now isn't known: {version.current_unknown}")
    elif not version.current and (version.newest or _is_other(version)):
        parts.append(_differs(version.current_changed, "what there is now"))
    return f"{short(version.name)} ({'; '.join(parts)})" if parts else short(version.name)


def use_lines(uses: Iterable[local_pb2.CodeUse]) -> Iterator[str]:
    """Yield a line for each version that outputs are by, with how many there are."""
    for use in uses:
        outputs = "1 output" if use.datums == 1 else f"{use.datums} outputs"
        yield f"{outputs} by {version_line(use.version)}"


def _is_other(version: local_pb2.CodeVersion) -> bool:
    return list(version.current_changed) != list(version.newest_changed)


def _differs(paths: Iterable[str], what: str) -> str:
    every = list(paths)
    if not every:
        return f"another image than {what}"
    shown = ", ".join(every[:_NAMED])
    if len(every) > _NAMED:
        shown += f" and {len(every) - _NAMED} more"
    verb = "differs" if len(every) == 1 else "differ"
    return f"{shown} {verb} from {what}"
