"""Lends tests a headless Chromium. Nothing is skipped: no browser is a failure.

The one that is installed is used. As root on Debian a missing one is installed (25 s), as the engine is.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")


def find_browser() -> str | None:
    """Return the path of a browser, if there is one; KILN_CHROMIUM names another."""
    named = os.environ.get("KILN_CHROMIUM")
    return named or next((path for program in PROGRAMS if (path := shutil.which(program))), None)


def install_browser() -> None:
    """Install Debian's, once however many runs want it."""
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    with (Path(tempfile.gettempdir()) / "modelkiln-browser.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if find_browser() is None:
            subprocess.run(["apt-get", "-qq", "update"], check=True, **quiet)  # type: ignore[call-overload]
            command = ["apt-get", "-qq", "-y", "--no-install-recommends", "install", *PACKAGES]
            subprocess.run(command, check=True, **quiet)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Lend a browser for the tests of one module; it ends with them, and its event loop too."""
    if find_browser() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install_browser()
    path = find_browser()
    if path is None:
        pytest.fail(f"these tests need a browser: install {PACKAGES[0]}, or name one in KILN_CHROMIUM", pytrace=False)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()
