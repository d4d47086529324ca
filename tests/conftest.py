"""Settings of every test: one torch thread, no network, fixed hypothesis profiles, checked shapes.

The shapes in the signatures are enforced by jaxtyping's import hook, installed here before the package
is first imported. GRAO_CHECK_SHAPES=0 leaves it out (the museum does, so that a planted bug has to be
caught by an assertion about its numbers).
"""

import gc
import os
import sys
from importlib import import_module

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import jaxtyping
import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from jaxtyping import config, install_import_hook

import tests.typechecker  # noqa: F401 the hook below looks it up by name

COMMAND = "grao_ref.runs.train_command"
torch.set_num_threads(1)  # two test processes on two cores; and forks are safe
if os.environ.get("GRAO_CHECK_SHAPES", "1") == "1":
    install_import_hook("grao_ref", "tests.typechecker.check")
    jaxtyping.jaxtyped = lambda *, typechecker: typechecker  # what the hook decorates with: the check alone

common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.differing_executors]}
settings.register_profile("default", max_examples=60, **common)
settings.register_profile("ci", max_examples=60, derandomize=True, print_blob=True, **common)
settings.register_profile("thorough", max_examples=2000, **common)
# The museum only needs to know that a test fails: no shrinking, the same examples every time.
settings.register_profile(
    "museum",
    max_examples=30,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
    **common,
)
settings.load_profile(os.environ.get("GRAO_HYPOTHESIS", "ci" if os.environ.get("CI") else "default"))


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config, items):
    """Tests that share a fixture run in one worker, which makes it once.

    First what a worker has to run in one piece: at the end the other would wait for it.
    """
    for item in items if config.pluginmanager.hasplugin("xdist") else ():
        if (place := shared_fixtures_of(item)) is not None and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(place))
        group = item.get_closest_marker("xdist_group")
        if group is not None and getattr(config.option, "loadgroup", False) and hasattr(item, "_id"):
            # xdist 3.8 writes the group behind an attribute that pytest 9.2 no longer reads, so that no group held.
            item._id = type(item._id).parse(f"{item.nodeid}@{group.args[0]}")
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def shared_fixtures_of(item):
    """The file or folder of the widest fixture that a test shares with others; None where it shares none."""
    defined = [found[-1] for found in item._fixtureinfo.name2fixturedefs.values()]
    places = [each.baseid for each in defined if each.scope in ("module", "session")]
    return min((place for place in places if place.startswith("tests")), default=None)


def pytest_collection_finish():
    """What has been imported by now is never garbage, and no collection has to look at it again."""
    if "grao_ref.train" in sys.modules:
        import_module(COMMAND)  # by its first run at the latest
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    """A test that leaves its worker in another folder fails itself, and not one of those after it."""
    result = yield
    before, after = item.config.invocation_params.dir, os.getcwd()
    if after != str(before):
        os.chdir(before)
        raise AssertionError(f"the test has left the current folder at {after}")
    return result


@pytest.fixture(autouse=True)
def no_rendering(request, monkeypatch):
    """A run's picture is made, and an empty file put in its place: to render it took a third of a short run's time.

    A test that reads the file asks for the fixture `rendered`; `runs/test_plots.py` calls `draw` itself.
    """
    command = sys.modules.get(COMMAND)
    if command is not None and "rendered" not in request.fixturenames:
        monkeypatch.setattr(command, "draw", unrendered)


def unrendered(results, path):
    """`draw` without the last part of it."""
    sys.modules["grao_ref.runs.plots"].picture(results)
    path.touch()


@pytest.fixture
def rendered():
    """Pictures are rendered."""


@pytest.fixture
def without_shape_checks():
    """Let bad shapes through to the package's own errors, which is what a user sees."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
