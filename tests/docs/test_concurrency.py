"""docs/concurrency.md names every module of the daemon that has threads, locks or queues."""

from __future__ import annotations

import ast
import re

from tests.walkthrough.machine import ROOT

PACKAGE = ROOT / "pachlocal"
PAGE = (ROOT / "docs" / "concurrency.md").read_text()
MADE_OF = {
    *("Thread", "Timer", "ThreadingMixIn", "ThreadPoolExecutor"),
    *("Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "flock"),
    *("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"),
}
OTHER_PROCESSES = ("cli/", "dev/", "runtime/launcher/", "web/")


def name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Subscript):
        return name(expression.value)
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def made_in(source: str) -> set[str]:
    """Return the kinds of threads, locks and queues that a module makes, or makes more kinds of."""
    used: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            used.add(name(node.func))
        elif isinstance(node, ast.ClassDef):
            used.update(map(name, node.bases))
    return used & MADE_OF


def test_the_page_names_every_module_with_threads_or_locks() -> None:
    modules = {
        path.relative_to(PACKAGE).as_posix(): made_in(path.read_text())
        for path in PACKAGE.rglob("*.py")
    }
    named = set(re.findall(r"`([\w/]+\.py)`", PAGE))
    missing = {
        module: kinds
        for module, kinds in modules.items()
        if kinds and module not in named and not module.startswith(OTHER_PROCESSES)
    }
    assert missing == {}
    assert named - modules.keys() == set()


def test_what_the_code_makes_is_recognized() -> None:
    source = "import threading, queue\nclass A(ThreadingMixIn): pass\n"
    assert made_in(source + "threading.Lock()\nq = queue.SimpleQueue[int]()") == {
        *("ThreadingMixIn", "Lock", "SimpleQueue")
    }
    assert made_in("threading.Event()\nThread = 1") == set()
