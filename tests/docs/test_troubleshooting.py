import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
TEXTS = re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE)


@cache
def said() -> list[str]:
    """Returns all texts of the code, with `…` for what is put into them, and those of exercises."""
    files = [*(ROOT / "pachlocal").rglob("*.py"), *(ROOT / "python").rglob("*.py")]
    trees = [ast.parse(file.read_text()) for file in files if "_pb2" not in file.name]
    pages = [page.read_text() for page in (ROOT / "docs" / "exercises").glob("*.md")]
    return [*(text for tree in trees for text in texts(tree)), *pages]


def texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_there_are_texts():
    assert len(TEXTS) == PAGE.count("\n### ") > 20


@pytest.mark.parametrize("text", TEXTS)
def test_each_text_is_what_the_code_says(text: str):
    core = text.strip("…").strip()
    assert any(core in one for one in said()), f"nothing says: {text}"


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"])
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
