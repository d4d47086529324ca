"""Verdicts on disk: JSON lines that are only appended, so a crash loses at most the verdict being written."""

import json
import threading
from pathlib import Path


class VerdictCache:
    """Key -> verdict. `path`: the file, made if missing with its folder; None keeps verdicts in memory only.

    A line that can't be read (the last one after a crash) is ignored, and its question is sent again.
    Raises `ValueError` on a file that can't be read or written.
    """

    def __init__(self, path: Path | None) -> None:
        self._verdicts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._path = path
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                self._load(path.read_bytes())
            except OSError as error:
                raise ValueError(f"the judge's cache can't be used: {error}") from None

    def _load(self, content: bytes) -> None:
        for line in content.splitlines():
            try:
                entry = json.loads(line)
                key, verdict = entry["key"], entry["verdict"]
            except (ValueError, KeyError, TypeError):
                continue
            if isinstance(key, str) and verdict in (-1, 0, 1):
                self._verdicts[key] = verdict
        self._unfinished = bool(content) and not content.endswith(b"\n")

    def get(self, key: str) -> int | None:
        """The verdict, None where there is none."""
        return self._verdicts.get(key)

    def put(self, key: str, verdict: int) -> None:
        """Keep a verdict. It is on disk when this returns."""
        with self._lock:
            self._verdicts[key] = verdict
            if self._path is None:
                return
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n" * self._unfinished + json.dumps({"key": key, "verdict": verdict}) + "\n")
            self._unfinished = False
