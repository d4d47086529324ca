"""Dotted paths: found from the current directory, and one clear line where they lead to nothing."""

import sys

import pytest

from grao_ref.plugins.importing import import_object

MODULE = "limit = 3\n\nclass Method:\n    pass\n\ndef length(completions):\n    return len(completions)\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A user's module in the current directory, which is not on the path."""
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users_plugin.py").write_text(MODULE)
    yield "users_plugin"
    sys.modules.pop("users_plugin", None)


def test_objects_of_every_kind_are_found_from_the_current_directory(module):
    assert import_object(f"{module}.length", "method")([1, 2]) == 2
    assert import_object(f"{module}.limit", "method") == 3
    assert import_object(f"{module}.Method", "method").__name__ == "Method"
    assert import_object("collections.abc.Sequence", "type").__name__ == "Sequence"


def test_the_current_directory_joins_the_path_once(module, tmp_path):
    for _ in range(2):
        import_object(f"{module}.length", "method")
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("grao", r"^method 'grao' is no dotted path; it has to be package\.module\.name$"),
        (".grao", r"^method '\.grao' is no dotted path"),
        ("users_plugin.", r"^method 'users_plugin\.' is no dotted path"),
        ("nowhere_at_all.f", r"^method 'nowhere_at_all\.f': nowhere_at_all can't be imported: ModuleNotFoundError: "),
        (
            "users_plugin.lenght",
            r"^method 'users_plugin\.lenght': users_plugin has no 'lenght'; did you mean length\?$",
        ),
        ("users_plugin.zzzz", r"^method 'users_plugin\.zzzz': users_plugin has no 'zzzz'; no name in it is like it$"),
    ],
)
@pytest.mark.usefixtures("module")
def test_paths_that_lead_to_nothing(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        import_object(path, "method")
    assert "\n" not in str(caught.value)


def test_a_module_that_breaks_when_it_is_imported(module, tmp_path):
    (tmp_path / "users_plugin.py").write_text("1 / 0")
    with pytest.raises(ValueError, match=r"users_plugin can't be imported: ZeroDivisionError: division by zero \("):
        import_object(f"{module}.length", "method")
