"""Debian's Firefox, driven by Marionette.

Playwright speaks to it only with commands that this release doesn't know, and geckodriver is no
package of Debian's. Of the protocol this needs little: a message is JSON with its length before it,
https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from programs import Program

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")

_LONGEST_S = 60
# Any free port; and nothing is asked of Mozilla.
_PREFERENCES = {
    "marionette.port": 0,
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    """A window of a running Firefox."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._number = 0

    def command(self, name: str, **parameters: Any) -> Any:
        """Has it do something; returns what it answers."""
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self._stream.write(b"%d:%s" % (len(message), message))
        self._stream.flush()
        _, _, error, result = self.read()
        assert error is None, (name, error["message"])
        return result

    def read(self) -> Any:
        digits = b""
        while (letter := self._stream.read(1)) != b":":
            assert letter, "Firefox has gone"
            digits += letter
        return json.loads(self._stream.read(int(digits)))

    def go(self, address: str) -> None:
        self.command("WebDriver:Navigate", url=address)

    def run(self, script: str) -> Any:
        """Returns what the body of an async function returns."""
        whole = (
            "const end = arguments[arguments.length - 1];"
            f"(async () => {{ {script} }})().then(end, (problem) => end(String(problem)));"
        )
        return self.command("WebDriver:ExecuteAsyncScript", script=whole, args=[])["value"]

    def waits_for(self, condition: str) -> Any:
        """Returns the value of an expression once a change of the page makes it true."""
        return self.run(
            f"const look = () => ({condition});"
            "return look() || new Promise((resolve) => new MutationObserver((_, observer) => {"
            "  const found = look();"
            "  if (!found) return;"
            "  observer.disconnect();"
            "  resolve(found);"
            "}).observe(document, { childList: true, subtree: true, characterData: true }))"
        )

    def sees(self, text: str) -> None:
        self.waits_for(f"document.body.innerText.includes({json.dumps(text)})")

    def clicks(self, selector: str) -> None:
        found = self.command("WebDriver:FindElement", using="css selector", value=selector)
        (element,) = found["value"].values()
        self.command("WebDriver:ElementClick", id=element)


@contextmanager
def firefox(folder: Path, width: int, height: int) -> Iterator[Firefox]:
    """Starts it with a profile of its own, and a window of some size."""
    assert PROGRAM is not None
    lines = [
        f"user_pref({json.dumps(name)}, {json.dumps(_PREFERENCES[name])});" for name in _PREFERENCES
    ]
    folder.mkdir()
    (folder / "user.js").write_text("\n".join(lines))
    command = [PROGRAM, "--headless", "--marionette", "--no-remote", "--profile", str(folder)]
    with Program(
        [*command, f"--width={width}", f"--height={height}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            assert process.stdout is not None
            said = (re.search(r"Listening on port (\d+)", line) for line in process.stdout)
            port = next(int(match[1]) for match in said if match)
            with socket.create_connection(("127.0.0.1", port), _LONGEST_S) as connection:
                window = Firefox(connection.makefile("rwb"))  # type: ignore[arg-type]
                window.read()  # what protocol it speaks
                window.command("WebDriver:NewSession", timeouts={"script": 30_000})
                window.command("WebDriver:SetWindowRect", width=width, height=height)
                yield window
        finally:
            process.kill()
