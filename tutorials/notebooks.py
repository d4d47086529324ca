"""The notebooks that a reader downloads: they run in any folder, and in Colab.

Their first cell finds the repository, or fetches it. It is the source of `find_repository` below, so that the tests
run what the reader runs. A site that is built from a repository without an address can't say where to fetch it.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

import nbformat

from tutorials.finish import repository

BRANCH = "gh-pages"  # where a published site, and with it the notebooks, would be; git has no notebook
HEADING = "# This cell finds the project, or installs it (in Colab, or on another machine). Run it first."


def find_repository(address: str | None) -> Path:
    """The project's folder, which Python can import from: here or above, where the package is installed, or fetched.

    Raises `FileNotFoundError` where it is not on this machine and `address` is None.
    """
    import importlib.util
    import subprocess

    here = Path.cwd()
    places = [here, *here.parents, here / "grao_ref"]
    package = importlib.util.find_spec("grao_ref")
    if package is not None and package.origin is not None:
        places.append(Path(package.origin).parents[1])
    for place in places:
        if (place / "tutorials" / "style.py").exists() and (
            place / "grao_ref"
        ).exists():
            break
    else:
        if address is None:
            raise FileNotFoundError(
                "grao_ref is not here: put this notebook into its folder, or install it: pip install -e FOLDER"
            )
        place = here / "grao_ref"
        subprocess.run(
            ["git", "clone", "--depth", "1", address, str(place)], check=True
        )
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))
    if package is None:
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "-e",
            f"{place}[theory]",
        ]
        subprocess.run(install, check=True)
    return place


def with_start(notebook: Any, address: str | None) -> Any:
    """A copy of the notebook, whose first cell finds the project."""
    copy = nbformat.from_dict(notebook)
    source = inspect.getsource(find_repository)
    code = f"{HEADING}\nimport sys\nfrom pathlib import Path\n\n\n{source}\n\nROOT = find_repository({address!r})"
    cell = nbformat.v4.new_code_cell(
        code, metadata={"jupyter": {"source_hidden": True}}
    )
    copy.cells.insert(0, cell)
    return copy


def write_notebook(notebook: Any, path: Path) -> None:
    """Write an executed notebook with its first cell."""
    nbformat.write(with_start(notebook, repository()), path)


def colab(name: str, address: str | None = None) -> str:
    """A link that opens a tutorial's notebook in Colab; empty where the repository has no address at GitHub."""
    address = address or repository()
    if address is None or not address.startswith("https://github.com/"):
        return ""
    place = f"{address.removeprefix('https://')}/blob/{BRANCH}/notebooks/{name}.ipynb"
    target = place.replace(
        "github.com/", "https://colab.research.google.com/github/", 1
    )
    return f' · <a href="{target}">open in Colab</a>'
