"""axe-core, which finds what a screen reader or a keyboard stumbles over: fetched by npm for the tests."""

import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

VERSION = "4.14.1"
SERIOUS = ("serious", "critical")


@cache
def script() -> str | None:
    """The text of axe.min.js; None where npm is not here or does not answer."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    folder = Path(mkdtemp())
    try:
        command = [npm, "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", str(folder)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            member = archive.extractfile("package/axe.min.js")
            return member.read().decode() if member else None
    except (subprocess.SubprocessError, OSError, StopIteration):
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def violations(page: Any) -> list[str]:
    """The rules that an opened page breaks seriously, each with its first element."""
    page.evaluate(script())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:120]} {each['nodes'][0]['failureSummary'][-160:]}"
        for each in found
        if each["impact"] in SERIOUS
    ]
