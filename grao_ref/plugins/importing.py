"""Objects that a user names by a dotted path, such as `my_package.my_module.my_reward`."""

import importlib
import sys
from pathlib import Path
from typing import Any

from grao_ref.plugins.blame import blame, why
from grao_ref.plugins.near import hint


def import_object(path: str, what: str) -> Any:
    """The object at `package.module.name`. The current directory is searched too.

    `what`: what the path is meant to name, for the error messages (`reward function`). Raises `ValueError` on a path
    without a dot, a module that can't be imported, and a name that the module does not have.
    """
    module_name, _, attribute = path.rpartition(".")
    if not module_name or not attribute:
        raise ValueError(f"{what} {path!r} is no dotted path; it has to be package.module.name")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with blame(f"{what} {path!r}: {module_name} can't be imported:"):
        module = importlib.import_module(module_name)
    with blame(f"{what} {path!r}: {module_name} raised"):  # it may have a `__getattr__` of its own
        if hasattr(module, attribute):
            return getattr(module, attribute)
    public = [name for name in vars(module) if not name.startswith("_")]
    near = hint(attribute, public, "no name in it is like it")
    raise ValueError(f"{what} {path!r}: {module_name} has no {attribute!r}; {near}")


def unavailable(package: str, error: ImportError, missing: str) -> ValueError:
    """The error on a package that can't be imported: the message `missing` where it is not installed, else the reason.

    >>> unavailable("datasets", ModuleNotFoundError(name="datasets"), "install it")
    ValueError('install it')
    >>> unavailable("datasets", ImportError("libssl is gone"), "install it")
    ValueError("the package datasets is installed and can't be imported: ImportError: libssl is gone")
    """
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == package:
        return ValueError(missing)
    return ValueError(f"the package {package} is installed and can't be imported: {why(error)}")
