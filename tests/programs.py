"""Programs that a test starts and talks to."""

from __future__ import annotations

import subprocess
from types import TracebackType
from typing import AnyStr


class Program(subprocess.Popen[AnyStr]):
    """A Popen that is killed when its block fails.

    Popen itself waits for the program's end there, which never comes if that waits for a test that
    has given up; pytest's time limit is over by then, and doesn't end it either.
    """

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, value, traceback)
