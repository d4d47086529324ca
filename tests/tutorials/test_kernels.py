"""A notebook in a forked kernel: it shows what it does in an ordinary one, and no other notebook changes it."""

import os
import sys
import time
from types import SimpleNamespace

import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError, DeadKernelError

from tutorials import kernels
from tutorials.build import execute

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")
IN_ADVANCE = "tutorials.markup"  # a module that a kernel does not import by itself


@pytest.fixture(scope="module")
def forked():
    with kernels.forked((IN_ADVANCE,)) as manager:
        yield manager


@pytest.fixture
def shown(tmp_path):
    """A function that runs lines of code as a notebook, and returns what it prints."""

    def run(code, manager=AsyncKernelManager):
        (tmp_path / "01_a.py").write_text(f"# %%\n{code}\n")
        (cell,) = execute(SimpleNamespace(path=tmp_path / "01_a.py"), manager).cells
        return "".join(output.text for output in cell.outputs)

    return run


def test_it_begins_where_an_ordinary_one_does_but_for_the_imports(forked, shown):
    begin = "import os, sys, warnings\nprint(os.getcwd(), os.environ['OMP_NUM_THREADS'], __name__, sys.path[-1])"
    assert shown(begin, forked) == shown(begin)
    imported = f"import sys\nprint({IN_ADVANCE!r} in sys.modules)"
    assert (shown(imported, forked), shown(imported)) == ("True\n", "False\n")


def test_what_one_notebook_changes_another_does_not_see(forked, shown):
    assert shown(f"import {IN_ADVANCE}, math\nmath.pi = 3\nprint(math.pi)", forked) == "3\n"
    assert shown("import math\nprint(math.pi)", forked).startswith("3.14")


def test_a_command_in_a_cell_has_its_exit_code(forked, shown):
    """The process that is forked ignores the ends of its children; a kernel must not."""
    assert shown("import subprocess\nprint(subprocess.run(['false']).returncode)", forked) == "1\n"


def test_a_failing_cell_and_a_kernel_that_dies_are_errors(forked, shown):
    with pytest.raises(CellExecutionError, match="not two"):
        shown("assert 1 == 2, 'not two'", forked)
    with pytest.raises(DeadKernelError):
        shown("import os\nos._exit(3)", forked)
    assert shown("print(1)", forked) == "1\n"  # the next one is started


def test_kernels_end_with_the_process_that_started_them(tmp_path):
    server = kernels.Server(())
    pid = server.fork(str(tmp_path / "kernel.json"), os.environ, str(tmp_path))
    assert kernels.Forked(pid).poll() is None  # it runs
    server.close()
    until = time.monotonic() + 30
    while (running := kernels.Forked(pid).poll() is None) and time.monotonic() < until:
        time.sleep(0.05)
    assert not running


def test_a_server_that_has_ended_is_an_error(tmp_path):
    server = kernels.Server(("no_such_module",))
    with pytest.raises(ChildProcessError):
        server.fork(str(tmp_path / "kernel.json"), os.environ, str(tmp_path))
    server.close()


def test_the_imports_are_made_in_advance_where_there_are_many_notebooks():
    with kernels.for_so_many(kernels.ENOUGH - 1) as ordinary, kernels.for_so_many(kernels.ENOUGH) as manager:
        assert ordinary is AsyncKernelManager
        assert manager is not AsyncKernelManager
        assert issubclass(manager, AsyncKernelManager)
