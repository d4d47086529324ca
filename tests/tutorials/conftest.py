import pytest

from tests.tutorials.tiny import FIRST, SECOND, build


@pytest.fixture(scope="session")
def tiny_site(tmp_path_factory):
    """The folder of a built site: two tiny tutorials, a picture, sliders, and an index."""
    folder = tmp_path_factory.mktemp("tiny")
    done = build(folder, {"01_tiny.py": FIRST, "02_second.py": SECOND})
    assert done.returncode == 0, done.stderr
    return folder / "site"
