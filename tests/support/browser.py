"""A page in a real, headless browser."""

import os
import shutil
import subprocess
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
NONE_FOUND = "no Chromium is installed: apt-get install chromium"


def find_browser() -> str | None:
    """Path of a Chromium, if there is one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def dom(browser: str, page: Path, profile: Path) -> str:
    """The page's document after loading, as the browser understands it."""
    # A browser started by a test must not look for the user's session.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("DBUS")}
    command = [browser, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(
        command, capture_output=True, timeout=100, check=True, env=environment, cwd=profile
    )
    return done.stdout.decode()
