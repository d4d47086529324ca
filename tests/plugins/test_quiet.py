"""What libraries log while they load: nothing of it beside an error, all of it where there is none."""

import logging

import pytest

from grao_ref.plugins.quiet import held_back
from grao_ref.settings.kinds import require_kind


@pytest.fixture
def said(monkeypatch):
    """What the logger `transformers` shows."""
    monkeypatch.delenv("GRAO_TRACEBACK", raising=False)
    shown = []

    class Shown(logging.Handler):
        def emit(self, record):
            shown.append(record.getMessage())

    logger, handler = logging.getLogger("transformers"), Shown()
    logger.addHandler(handler)
    yield shown
    logger.removeHandler(handler)


def load(error=None):
    logging.getLogger("transformers.modeling_utils").warning("LOAD REPORT: %s", "MISMATCH")
    if error is not None:
        raise error


def load_what_can_not_be_used():
    load()
    require_kind("seed", -1.5, int)


def test_it_is_shown_when_the_loading_has_ended_well(said):
    with held_back():
        load()
        assert said == []
    assert said == ["LOAD REPORT: MISMATCH"]
    load()  # and as ever afterwards
    assert len(said) == 2


def test_an_error_stands_alone_and_says_that_there_was_more(said):
    with (
        pytest.raises(ValueError, match=r"^seed must be .*; GRAO_TRACEBACK=1 shows what transformers logged$"),
        held_back(),
    ):
        load_what_can_not_be_used()
    assert said == []
    with pytest.raises(ValueError, match=r"got -1\.5$"), held_back():  # control: nothing was logged
        require_kind("seed", -1.5, int)
    with pytest.raises(KeyError, match="theirs"), held_back():
        load(KeyError("theirs"))
    assert said == []


def test_everything_is_shown_at_once_where_the_traceback_is_asked_for(said, monkeypatch):
    monkeypatch.setenv("GRAO_TRACEBACK", "1")
    with pytest.raises(KeyError), held_back():
        load(KeyError())
    assert said == ["LOAD REPORT: MISMATCH"]


def test_a_library_that_is_imported_inside_keeps_the_handler_that_it_adds(said):
    logger, handler = logging.getLogger("peft"), logging.NullHandler()
    before = list(logger.handlers)
    with held_back():
        logger.addHandler(handler)
    assert logger.handlers == [*before, handler]
    logger.removeHandler(handler)
