"""The suite rejects every planted bug, and accepts the package without one.

Each bug is planted into a copy of the project, and the copy's own tests of the damaged file run in a fresh
process up to the first failure. The shape checks are off, so that a bug has to be caught by an assertion. A
copy that merely crashes counts as a broken exhibit.
"""

import gc
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.museum.bugs import BUGS, Bug

ROOT = Path(__file__).parents[2]
TESTS_OF = {  # where a file's tests are not simply test_<file>
    "reduce.py": ("test_reduce.py", "test_grpo.py"),
    "ppo.py": ("test_ppo.py", "test_grpo.py"),
    "grpo.py": ("test_grpo.py", "test_reduce.py"),
    "checks.py": ("test_advantage.py", "test_grao.py"),
    "ranges.py": ("test_advantage.py", "test_grao.py"),
    "logprob.py": ("test_logprob.py", "test_grpo.py"),
} | {  # outside the equations
    "../training/collect.py": ("../training/test_collect.py", "../extensions/test_method.py"),
    "../training/update.py": ("../training/test_update.py",),
    "../training/logprobs.py": ("../training/test_collect.py",),
    "../training/loop.py": ("../training/test_update.py",),
    "../training/checkpoint.py": ("../training/test_checkpoint.py",),
    "../training/generators.py": ("../training/test_checkpoint.py",),
    "../plugins/manifest.py": ("../plugins/test_manifest.py",),
    "../training/undo.py": ("../training/test_undo.py",),
    "../methods/interface.py": ("../training/test_unscored.py",),
    "../methods/grpo.py": ("../training/test_collect.py", "../methods/test_objectives.py"),
    "../methods/grao.py": ("../training/test_unscored.py",),
    "../text/encoding.py": ("../text/test_encoding.py", "../data/test_examples.py"),
    "../text/template.py": ("../text/test_template.py",),
    "../text/seam.py": ("../text/test_seam.py",),
    "../policies/sampler.py": ("../policies/test_probe.py",),
    "../policies/cache.py": ("../policies/test_probe.py",),
    "../policies/outputs.py": ("../policies/test_scoring.py",),
    "../policies/tiles.py": ("../policies/test_tiles.py",),
    "../policies/drawing.py": ("../policies/test_drawing.py",),
}
EVERYTHING = ["", *sorted({name for names in TESTS_OF.values() for name in names if name.startswith("..")})]
REJECTIONS = ("AssertionError", "Failed")  # the error of a pytest.raises without an exception is called Failed
# One process imports the slow libraries and is forked for each bug; it has imported nothing of this project.
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(
    [
        "torch", "torch.distributed.tensor", "pytest", "hypothesis.extra.numpy", "jaxtyping", "beartype", "mpmath",
        "scipy.special", "transformers.models.auto.modeling_auto", "transformers.models.llama.modeling_llama",
    ]
)  # fmt: skip


def plant(bug: Bug | None, copy: Path) -> None:
    """A copy of the project's package and tests, with the bug's edits made."""
    shutil.copytree(ROOT / "grao_ref", copy / "grao_ref", ignore=shutil.ignore_patterns("__pycache__"))
    rest = shutil.ignore_patterns("__pycache__", "museum", "parity")
    shutil.copytree(ROOT / "tests", copy / "tests", ignore=rest)
    shutil.copytree(ROOT / "theory", copy / "theory", ignore=shutil.ignore_patterns("__pycache__", "_build", "figures"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    if bug is None:
        return
    target = copy / "grao_ref" / "equations" / bug.file
    text = target.read_text()
    for right, wrong in bug.edits:
        assert text.count(right) == 1, f"{bug.name}: {right!r} stands {text.count(right)} times in {bug.file}, not once"
        text = text.replace(right, wrong)
    target.write_text(text)


class FirstFailure:
    """A pytest plugin that keeps the first test that failed, and its error."""

    def __init__(self) -> None:
        self.found: tuple[str, str] | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
        report = yield
        if report.failed and self.found is None:
            self.found = (item.nodeid, call.excinfo.type.__name__)
        return report


def run_suite(copy: str, tests: list[str], answer: "multiprocessing.connection.Connection") -> None:
    """In a process of its own: the copy's tests, stopping at the first failure.

    Nobody reads the failure's text, so asserts stay plain; to explain them took longer than most of the tests.
    """
    sys.dont_write_bytecode = True  # the copy is read once
    gc.freeze()  # what was imported before the fork stays: no collection has to look at it
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    os.chdir(copy)
    os.environ |= {
        "GRAO_HYPOTHESIS": "museum",
        "GRAO_CHECK_SHAPES": "0",
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    # Unpickling this function imported the project's own `tests`: forget them, the copy has its own.
    for name in [name for name in sys.modules if name.split(".")[0] in ("tests", "grao_ref")]:
        del sys.modules[name]
    sys.path[:] = [copy, *(path for path in sys.path if path not in ("", str(ROOT)))]
    import grao_ref

    assert Path(grao_ref.__file__).is_relative_to(copy)
    plugin = FirstFailure()
    code = pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *tests], [plugin])
    answer.send((int(code), plugin.found))


def verdict_of(bug: Bug | None, names: tuple[str, ...], copy: Path) -> tuple[int, tuple[str, str] | None]:
    plant(bug, copy)
    mine, theirs = FORKSERVER.Pipe(duplex=False)
    process = FORKSERVER.Process(target=run_suite, args=(str(copy), [f"tests/equations/{n}" for n in names], theirs))
    process.start()
    theirs.close()
    try:
        return mine.recv()
    except EOFError:
        return -1, None
    finally:
        process.join()


def test_the_museum_is_large_enough_and_its_names_are_unique():
    assert len(BUGS) >= 30
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    assert all(bug.origin for bug in BUGS)


@pytest.mark.parametrize("name", EVERYTHING)
def test_control_the_package_without_a_bug_is_accepted(name, tmp_path):
    assert verdict_of(None, (name,), tmp_path) == (0, None)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_suite_rejects(bug, tmp_path):
    code, failure = verdict_of(bug, TESTS_OF.get(bug.file, (f"test_{bug.file}",)), tmp_path)
    assert code == 1, f"{bug.name} went unnoticed (pytest's exit code {code})"
    assert failure is not None
    assert failure[1] in REJECTIONS, f"{bug.name} is a broken exhibit: {failure}"
