import pytest

from tests.tutorials.tiny import FIRST, PAGE, SECOND, build


@pytest.fixture(scope="session")
def tiny_site(tmp_path_factory):
    """The folder of a built site: two tiny tutorials, a picture, sliders, two pages, and an index."""
    folder = tmp_path_factory.mktemp("tiny")
    done = build(
        folder,
        {"01_tiny.py": FIRST, "02_second.py": SECOND, "pages/recipe.md": PAGE, "pages/another.md": "# Another\n"},
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"
