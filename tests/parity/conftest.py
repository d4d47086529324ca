"""The tests in this folder need TRL, in the one version they were written against.

Without it they are skipped with a reason; under GRAO_REQUIRE_PARITY=1 (`make parity`) they fail instead,
so that an oracle that is not there can't pass for one that agrees.
"""

import os
from importlib import metadata

import pytest

TRL_VERSION = "1.16.0"  # as pinned in pyproject.toml; these tests rely on private methods of it


class NeedsTRL(pytest.Module):
    """A test module that is not even imported without TRL. (A skip in the conftest itself is a crash in pytest.)"""

    def collect(self):
        problem = trl_problem()
        if problem and os.environ.get("GRAO_REQUIRE_PARITY") == "1":
            pytest.fail(problem, pytrace=False)
        if problem:
            pytest.skip(problem)
        return super().collect()


def pytest_pycollect_makemodule(module_path, parent):
    return NeedsTRL.from_parent(parent, path=module_path)


def trl_problem() -> str | None:
    """What keeps us from comparing with TRL, or None. A TRL that is there but doesn't import is an error, not this."""
    try:
        found = metadata.version("trl")
    except metadata.PackageNotFoundError:
        return f"trl is not installed; the oracle of tests/parity is trl=={TRL_VERSION} (`make parity`)"
    if found != TRL_VERSION:
        return f"trl {found} is installed; the oracle of tests/parity is trl=={TRL_VERSION} (`make parity`)"
    return None


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The tiny model on disk, which is where TRL takes its frozen reference model from."""
    from tests.parity.tiny import random_model

    folder = tmp_path_factory.mktemp("checkpoint")
    random_model().save_pretrained(folder)
    return folder
