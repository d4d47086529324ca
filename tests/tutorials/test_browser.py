"""Pages in a real browser, at desktop and phone widths."""

import re
from importlib.util import find_spec

import nbformat
import pytest

from tests.tutorials.pages import CHROMIUM, WIDTHS, browser, cut_off, opened, problems
from tutorials import style
from tutorials.sources import HERE, tutorials

SITE = HERE / "_build"
# Without those of the reference and of the ledger, which `test_api.py` and `test_ledger_pages.py` open.
OTHERS = {*SITE.glob("api*.html"), *SITE.glob("ledger*.html")}
PAGES = sorted({*SITE.glob("*.html")} - OTHERS) if (SITE / "index.html").exists() else []
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]
built = pytest.mark.skipif(not PAGES, reason="no site is built: make tutorials")
at_widths = pytest.mark.parametrize("width", WIDTHS)


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@at_widths
@pytest.mark.parametrize("name", ["index", "01_tiny", "02_second", "recipe", "another"])
def test_a_tiny_page_has_no_problems(chromium, tiny_site, name, width):
    assert problems(chromium, tiny_site / f"{name}.html", width) == []


@pytest.mark.parametrize(
    ("markup", "problem"),
    [
        ("<div style='width: 500px'>wide</div>", "500 pixels wide: |5\\d\\d pixels wide"),
        ("<script>console.error('oh')</script>", "console: oh"),
        ("<script>nothing.at.all</script>", "script: nothing is not defined"),
        ("<img alt='x' src='https://example.invalid/a.png'>", "it asks for https://example.invalid/a.png"),
        ("<link rel=stylesheet href=style.css>", "it asks for file:.*style.css"),
        ("<img alt='x' src='data:image/png;base64,AAAA'>", "1 pictures fail"),
        ('<img src=\'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="9"/>\'>', "have no words"),
        ("<a href='gone.html'>x</a>", "leads nowhere: .*gone.html"),
    ],
)
def test_each_problem_is_noticed(chromium, tmp_path, markup, problem):
    """The controls of the one above, planted one by one."""
    path = tmp_path / "planted.html"
    path.write_text(f"<!DOCTYPE html><html><title>x</title><body>{markup}</body></html>")
    assert any(re.search(problem, found) for found in problems(chromium, path, 360)), problems(chromium, path, 360)


@at_widths
def test_moving_a_slider_changes_the_picture_and_what_is_written(chromium, tiny_site, width):
    with opened(chromium, tiny_site / "01_tiny.html", width) as (page, complaints):
        box = page.locator("figure.sliders").first

        def state():
            images = [image for image in box.locator("img").all() if image.is_visible()]
            assert len(images) == 1
            return images[0].get_attribute("alt"), *box.locator("output").all_text_contents()

        assert state() == ("A line (β = 0.5, n = 1)", "0.5", "1")
        first, second = box.locator("input").all()
        first.press("ArrowRight")  # by the keyboard, as a reader without a mouse does
        assert state() == ("A line (β = 1, n = 1)", "1", "1")
        second.press("End")
        assert state() == ("A line (β = 1, n = 10)", "1", "10")
        first.press("Home")
        assert state() == ("A line (β = 0, n = 10)", "0", "10")
        assert first.get_attribute("aria-valuetext") == "0"
        other = page.locator("figure.sliders").last
        assert other.locator("output").all_text_contents() == ["0", "1"], "a second box is a box of its own"
        assert complaints == []


@at_widths
def test_the_folded_code_opens(chromium, tiny_site, width):
    with opened(chromium, tiny_site / "01_tiny.html", width) as (page, _):
        code = page.locator("main details pre")
        assert not code.is_visible()
        page.locator("summary").click()
        assert code.is_visible()


@built
@at_widths
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_built_page_has_no_problems(chromium, path, width):
    assert problems(chromium, path, width) == []


@built
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_slider_of_a_built_page_moves(chromium, path):
    with opened(chromium, path, 360) as (page, complaints):
        for box in page.locator("figure.sliders").all():
            for control in box.locator("input").all():
                before = box.locator("img:not([hidden])").get_attribute("alt")
                control.press("ArrowRight" if control.get_attribute("value") == "0" else "Home")
                assert box.locator("img:not([hidden])").get_attribute("alt") != before
        assert complaints == []


@built
def test_the_index_has_every_tutorial(chromium):
    built_now = {path.stem for path in PAGES}  # with --only, some
    names = [tutorial.name for tutorial in tutorials() if tutorial.name in built_now]
    with opened(chromium, SITE / "index.html", 360) as (page, _):
        links = page.locator("main ol > li > a")
        assert [link.get_attribute("href") for link in links.all()] == [f"{name}.html" for name in names]


def test_a_picture_that_is_cut_off_is_noticed():
    """The control of the one below: a label longer than its axis."""
    fits, (axes,) = style.figure()
    axes.set_ylabel("short")
    cut, (axes,) = style.figure()
    axes.set_ylabel("a label that is far too long for the height of its axis, and longer still")
    assert cut_off(style.image(fits, "it fits") + style.image(cut, "it does not")) == ["it does not"]


@built
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_picture_is_cut_off(path):
    assert cut_off(path.read_text()) == []


@built
@pytest.mark.parametrize("path", sorted(SITE.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_no_warning_is_left_on_a_page(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
