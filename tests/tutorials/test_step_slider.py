"""Tokens with a slider over the steps of a run: as HTML, and in a real browser."""

import re
from importlib.util import find_spec

import pytest

from tests.tutorials.pages import CHROMIUM, WIDTHS, browser, opened, problems
from tutorials.sources import HERE
from tutorials.tokens import line, slider

NO_BROWSER = CHROMIUM is None or find_spec("playwright") is None
SITE = HERE / "_build"
PAGES = [path for path in sorted(SITE.glob("[0-9]*.html")) if 'class="steps"' in path.read_text()]
FRAMES = {
    step: (
        f"Step {step}: mean reward {step / 20:.2f}.",
        [("21= now answered 12.", [("sorted", list("12."), [step / 10, 0.0, -step / 5])])],
    )
    for step in (0, 5, 10)
}


def in_a_browser(test):
    return pytest.mark.browser(pytest.mark.skipif(NO_BROWSER, reason="no Chromium, or no playwright")(test))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Two sliders, the second over other steps."""
    style = (HERE / "site" / "site.css").read_text()
    figures = slider(FRAMES, "A run.", full=3) + slider({s: FRAMES[s] for s in (0, 10)}, "A run.", full=3)
    written = tmp_path_factory.mktemp("steps") / "page.html"
    written.write_text(
        f"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>x</title><style>{style}</style><main>{figures}</main>"
    )
    return written


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


def test_without_javascript_the_last_step_alone_is_shown():
    whole = slider(FRAMES, "A <run>.", full=3)
    shown = re.findall(r'data-step="(\d+)"(?! hidden)', whole)
    assert shown == ["10"]
    assert '<div class="controls" style="display: none">' in whole
    assert whole.count(" hidden>") == 2
    assert all(line("12.", changes, 3) in whole for _, [(_, [(_, _, changes)])] in FRAMES.values())
    assert "A &lt;run&gt;." in whole


def test_one_step_is_refused():
    with pytest.raises(ValueError, match=r"at least two steps, got \[5\]"):
        slider({5: FRAMES[5]}, "A run.", full=3)


def shown(box):
    """The visible frames as text, and what is written beside the slider."""
    return [f.inner_text() for f in box.locator(".frame").all() if f.is_visible()], box.locator("output").inner_text()


@in_a_browser
@pytest.mark.parametrize("width", WIDTHS)
def test_the_slider_shows_the_tokens_of_another_step(chromium, path, width):
    assert problems(chromium, path, width) == []
    with opened(chromium, path, width) as (page, complaints):
        first, second = page.locator("figure.steps").all()
        control = first.locator("input")
        (last,), step = shown(first)
        assert "Step 10: mean reward 0.50." in last
        assert "+1.0" in last
        assert step == "10"
        control.press("ArrowLeft")
        (now,), step = shown(first)
        assert "Step 5: mean reward 0.25." in now
        assert "−1.0" in now
        assert step == "5"
        assert control.get_attribute("aria-valuetext") == "Step 5: mean reward 0.25."
        control.press("Home")
        assert shown(first)[1] == "0"
        assert shown(second) == ([last], "10"), "a second slider is its own"
        assert complaints == []


@in_a_browser
@pytest.mark.parametrize("built", PAGES, ids=lambda path: path.stem)
def test_the_slider_of_a_built_page_moves(chromium, built):
    with opened(chromium, built, 360) as (page, complaints):
        for box in page.locator("figure.steps").all():
            before = shown(box)
            box.locator("input").press("Home")
            after = shown(box)
            assert before != after
            assert after[1] == "0"
            assert not re.search(r"[+−]\d", after[0][0]), "before the first step nothing has changed"
        assert complaints == []
