"""One run, one folder: a lock that the system takes back from a process that is gone, however it went."""

import os
import weakref
from collections.abc import Callable
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where a folder can't be opened: nothing is locked there
    fcntl = None  # type: ignore[assignment]


class FolderLock:
    """Held until `release`, or until nobody refers to it. It is on the folder itself: no file is left behind.

    Raises `ValueError` where another run has it. A file system without locks (some network ones) locks nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.release: Callable[[], object] = lambda: None
        self._is: os.stat_result | None = None
        if fcntl is None:
            return
        descriptor = os.open(folder, os.O_RDONLY)
        self._is = os.fstat(descriptor)
        self.release = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise ValueError(
                f"output_dir {folder} is in use: another run that is going on writes there; wait for it, or name "
                "another output_dir"
            ) from None
        except OSError:
            self.release()

    def is_on(self, folder: Path) -> bool:
        """Whether that is the folder which was locked: it may have been moved, and another one put in its place."""
        return self._is is None or os.path.samestat(self._is, folder.stat())
