"""Methods that a test plants."""

import pytest

from grao_ref.methods.registry import METHODS, use


@pytest.fixture
def planted():
    """Makes a method usable by its name, until the test ends."""
    before = dict(METHODS)
    yield use
    METHODS.clear()
    METHODS.update(before)
