"""The environments that a runtime's workers need: made once, however many ask for them."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pachlocal.errors import ImageUnavailableError

from .files import digest
from .recipes import RECIPES, Recipe, reason_in
from .shelf import GivenUpError, MakingError, Runner, Shelf
from .wanted import Wanted, wanted

_ASK_S = 0.1  # how often somebody who waits is asked whether it still does
_RETRY_S = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)  # after a failure
_LINE = 120  # characters of progress


class Asked(NamedTuple):
    """An environment that a folder asks for.

    Attributes:
        name: What it is, in words.
        place: Its folder.
        is_there: Whether it can be used.
    """

    name: str
    place: Path
    is_there: bool


class Environments:
    """Makes the environments that stages ask for. Any thread may use it."""

    def __init__(self, shelf: Shelf, env: Mapping[str, str]) -> None:
        """Make nothing yet.

        Args:
            shelf: Where they are kept.
            env: The environment of commands.
        """
        self._shelf = shelf
        self._env = env
        self._lock = threading.Lock()  # guards the next three
        self._used: dict[str, int] = {}  # descriptors that keep them from being removed
        self._makings: dict[str, _Making] = {}
        self._closed = False

    def prepare(
        self, folder: Path, image: str, given_up: Callable[[], bool], tell: Callable[[str], None]
    ) -> bool:
        """Make what a folder asks for, unless it is there.

        Args:
            folder: The stage's folder, or a version of it.
            image: Whose folder it is.
            given_up: Asked now and then: when it says yes, this returns early.
            tell: Is told what is being done, in a sentence, now and then.

        Returns:
            Whether all of it is there.

        Raises:
            ImageUnavailableError: It can't be made; the message says why.
        """
        return all(
            self._is_there(recipe, key)
            or self._await(self._making(wish, recipe, key, folder), image, given_up, tell)
            for wish, recipe, key in self._wishes(folder, image)
        )

    def variables(self, folder: Path, image: str, env: Mapping[str, str]) -> dict[str, str]:
        """Return an environment of commands with what a folder asks for, which has been prepared.

        Raises:
            ImageUnavailableError: It isn't there.
        """
        found = dict(env)
        for wish, recipe, key in self._wishes(folder, image):
            if not self._is_there(recipe, key):
                raise ImageUnavailableError(f"image {image}: {_name(wish)} isn't there any more")
            found |= recipe.variables(self._shelf.folder(key), found)
        return found

    def asked(self, folder: Path, image: str) -> list[Asked]:
        """Return what a folder asks for, and whether it is there.

        Raises:
            ImageUnavailableError: It asks for what can't be made.
        """
        return [
            Asked(_name(wish), self._shelf.folder(key), self._is_there(recipe, key))
            for wish, recipe, key in self._wishes(folder, image)
        ]

    def close(self) -> None:
        """End what is being made, of which nothing is left, and let go of what was used."""
        with self._lock:
            self._closed = True
            makings = list(self._makings.values())
        for making in makings:
            making.cancel()
        with self._lock:
            while self._used:
                os.close(self._used.popitem()[1])

    def _wishes(self, folder: Path, image: str) -> list[tuple[Wanted, Recipe, str]]:
        found = []
        for wish in wanted(folder, image):
            recipe = RECIPES[wish.language]
            tool = recipe.tool(self._env)
            if tool is not None:
                found.append((wish, recipe, wish.key(tool)))
        return found

    def _is_there(self, recipe: Recipe, key: str) -> bool:
        if not recipe.is_sound(self._shelf.folder(key)):
            with self._lock:  # whoever removed it has not asked; it is made anew
                if (held := self._used.pop(key, None)) is not None:
                    os.close(held)
            return False
        with self._lock:
            if key not in self._used:
                held = self._shelf.take(key)
                if held is None:
                    return False
                self._used[key] = held
        return True

    def _making(self, wish: Wanted, recipe: Recipe, key: str, folder: Path) -> _Making:
        with self._lock:
            if self._closed:
                raise ImageUnavailableError("pachlocal stops")
            making = self._makings.get(key)
            if making is None or making.is_old():
                failures = making.failures if making is not None else 0
                making = self._makings[key] = _Making(
                    self._shelf, self._env, wish, recipe, key, folder, failures
                )
        return making

    def _await(
        self,
        making: _Making,
        image: str,
        given_up: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> bool:
        while not making.done.wait(_ASK_S):
            if given_up():
                return False
            if not making.failures:
                line = making.line
                tell(f"making {making.name}: {line}" if line else f"making {making.name}")
        if making.failure:
            raise ImageUnavailableError(
                f"image {image}: {making.name} can't be made: {making.failure}"
            )
        if self._is_there(making.recipe, making.key):
            return True
        if given_up():
            return False
        raise ImageUnavailableError(f"image {image}: {making.name} was removed by somebody")


class _Making:
    """The making of an environment, in a thread of its own.

    Attributes:
        done: Set when it has ended.
        line: What its commands wrote last.
        failure: Why it failed; empty if it hasn't.
        failures: How often in a row it has failed.
    """

    def __init__(
        self,
        shelf: Shelf,
        env: Mapping[str, str],
        wish: Wanted,
        recipe: Recipe,
        key: str,
        folder: Path,
        failures: int,
    ) -> None:
        self.wish, self.recipe, self.key = wish, recipe, key
        self.name = _name(wish)
        self.done = threading.Event()
        self.line = self.failure = ""
        self.failures = failures
        self._shelf, self._env, self._folder = shelf, env, folder
        self._ended = 0.0
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def is_old(self) -> bool:
        """Whether it may be tried again."""
        if not self.done.is_set():
            return False
        pause_s = _RETRY_S[min(self.failures, len(_RETRY_S)) - 1]
        return not self.failure or time.monotonic() - self._ended > pause_s

    def cancel(self) -> None:
        """End it, and wait for that."""
        self._cancelled.set()
        self._thread.join()

    def _run(self) -> None:
        facts = {"language": self.wish.language, "source": self.wish.source}
        try:
            self._shelf.make(
                self.key, facts, self._build, self._tell, self._cancelled.is_set, self._is_sound
            )
        except GivenUpError:
            self.failure = "pachlocal stops"
        except MakingError as error:
            self.failure = reason_in(error.lines, error.code)
        except ImageUnavailableError as error:
            self.failure = str(error)
        except OSError as error:
            self.failure = f"{error.filename or self._shelf.place}: {error.strerror}"
        except Exception as error:  # a mistake of ours: who waits must hear of it
            self.failure = f"internal error: {error!r}"
            raise
        finally:
            self.failures = self.failures + 1 if self.failure else 0
            self._ended = time.monotonic()
            self.done.set()

    def _is_sound(self, place: Path) -> bool:
        return self.recipe.is_sound(place)

    def _tell(self, line: str) -> None:
        self.line = line[:_LINE]

    def _build(self, place: Path, runner: Runner) -> None:
        with tempfile.TemporaryDirectory(prefix="pachlocal-making-") as folder:
            inputs = Path(folder)
            self._copy(inputs)
            env = self.recipe.maker_env(os.environ | self._own_env())
            for command in self.recipe.commands(self.wish, inputs, place, env):
                runner.run(command, inputs, env)

    def _own_env(self) -> dict[str, str]:
        """Return where commands find programs: with these an environment is made, too."""
        return {name: self._env[name] for name in ("PATH", "HOME") if name in self._env}

    def _copy(self, inputs: Path) -> None:
        """Copy the files that count, as they were when they were read.

        Raises:
            ImageUnavailableError: They have changed since.
        """
        for name, known in self.wish.files.items():
            target = inputs / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(self._folder / name, target)
            if not target.exists() or digest(target) != known:
                raise ImageUnavailableError(f"{name} changes while it is read")


def _name(wish: Wanted) -> str:
    return f"the {wish.language} environment of {wish.source}"
