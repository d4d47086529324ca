"""What is wrong with a page in a real browser, at one width: run it as `python -m tests.tutorials.pages FILE...`."""

import base64
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

WIDTHS = (1280, 360)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OURS = ("site.css", "site.js", "search.js", "search-index.js")
LOOK = """() => {
  const wide = Array.from(document.querySelectorAll("body *")).filter(each => {
    const scrolls = each.closest("pre, .wide, .formula, .tokens, .skip");
    return each.getBoundingClientRect().right > innerWidth + 1 && (!scrolls || scrolls === each);
  });
  const images = Array.from(document.images);
  return {
    title: document.title,
    width: document.documentElement.scrollWidth,
    inner: innerWidth,
    wide: wide.slice(0, 3).map(each => each.outerHTML.slice(0, 120)),
    broken: images.filter(each => !(each.complete && each.naturalWidth > 0)).length,
    silent: images.filter(each => !each.alt.trim()).length,
    links: Array.from(document.links).map(each => each.href),
    errors: Array.from(document.querySelectorAll("merror")).length,
  };
}"""


@contextmanager
def browser() -> Iterator[Any]:
    """The system's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def opened(started: Any, path: Path, width: int) -> Iterator[tuple[Any, list[str]]]:
    """A page, and the list of its console errors and failed requests from now on."""
    page, complaints = started.new_page(viewport={"width": width, "height": 900}), []

    def request(asked: Any) -> None:
        beside = Path(unquote(urlsplit(asked.url).path))  # the site's own style and scripts, and its index
        ours = asked.url.startswith("file:") and beside.parent == path.resolve().parent and beside.name in OURS
        if not asked.url.startswith(("data:", "blob:")) and asked.url != path.resolve().as_uri() and not ours:
            complaints.append(f"it asks for {asked.url[:100]}")

    page.on("console", lambda said: complaints.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("request", request)
    page.goto(path.resolve().as_uri())
    yield page, complaints
    page.close()


def problems(started: Any, path: Path, width: int) -> list[str]:
    """Problems of a page: wider than the screen, errors, requests, pictures and links that fail."""
    with opened(started, path, width) as (page, complaints):
        seen = page.evaluate(LOOK)
        if seen["width"] > seen["inner"]:
            complaints.append(f"{seen['width']} pixels wide: {seen['wide']}")
        for count, what in (
            ("broken", "pictures fail"),
            ("silent", "pictures have no words"),
            ("errors", "formulas fail"),
        ):
            if seen[count]:
                complaints.append(f"{seen[count]} {what}")
        if not seen["title"]:
            complaints.append("no title")
        complaints += [f"a link leads nowhere: {link}" for link in seen["links"] if leads_nowhere(link)]
    return complaints


def cut_off(page: str) -> list[str]:
    """The alt text of each picture with ink on its edge: a label that did not fit."""
    from PIL import Image

    found = []
    for alt, data in re.findall(r'alt="([^"]*)" src="data:image/png;base64,([^"]+)"', page):
        with Image.open(BytesIO(base64.b64decode(data))) as opened:
            grey = opened.convert("L")
        inner = Image.new("L", (grey.width - 4, grey.height - 4), 255)
        grey.paste(inner, (2, 2))
        if grey.getextrema()[0] < 200:
            found.append(alt)
    return found


def leads_nowhere(link: str) -> bool:
    """Whether a link into the site is broken; links to the web aren't followed."""
    address = urlsplit(link)
    return address.scheme == "file" and not Path(unquote(address.path)).is_file()


def main(paths: list[str]) -> int:
    """Exit code: 1 where a page has problems."""
    found = 0
    with browser() as started:
        for path, width in ((Path(path), width) for path in paths for width in WIDTHS):
            for problem in problems(started, path, width):
                print(f"{path.name} at {width} px: {problem}")
                found = 1
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
