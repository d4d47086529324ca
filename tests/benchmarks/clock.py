"""Where the seconds of a step go: generation, forward, backward, optimiser; all else is the rest."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook


class Clock:
    """Seconds by part. Of calls inside each other the outermost counts.

    Backward passes, clipping and optimiser steps are found where torch itself is called, so they are the same on every
    side and do not depend on how a trainer is written. `wrap` adds what has no such place. On a GPU the parts need it
    to be waited for, which slows a step down: there `on` stays False in the steps whose total is reported.
    """

    def __init__(self, device: str) -> None:
        self.cuda, self.on = device == "cuda", device != "cuda"
        self.seconds: dict[str, float] = {}
        self._inside, self._began = False, 0.0
        self._hooks = [
            register_optimizer_step_pre_hook(lambda *_: self._start()),
            register_optimizer_step_post_hook(lambda *_: self._stop("optimizer")),
        ]
        self._undo: list[tuple[Any, str, Any]] = []
        self.wrap(torch.autograd, "backward", "backward")
        self.wrap(torch.nn.utils, "clip_grad_norm_", "optimizer")

    def now(self) -> float:
        """The time, after the device has finished its work."""
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Count every call of `owner.name` as `part`, until `close`."""
        original = getattr(owner, name)
        self._undo.append((owner, name, vars(owner).get(name)))
        setattr(owner, name, self.timed(original, part))

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The function, with its seconds counted."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            if self._inside or not self.on:
                return function(*arguments, **keywords)
            self._start()
            try:
                return function(*arguments, **keywords)
            finally:
                self._stop(part)

        return call

    def take(self) -> dict[str, float]:
        """The seconds since the last time, which are forgotten here."""
        seconds, self.seconds = self.seconds, {}
        return seconds

    def close(self) -> None:
        """Put back what was wrapped."""
        for hook in self._hooks:
            hook.remove()
        for owner, name, was in reversed(self._undo):
            if was is None:
                delattr(owner, name)
            else:
                setattr(owner, name, was)

    def _start(self) -> None:
        if self.on:
            self._inside, self._began = True, self.now()

    def _stop(self, part: str) -> None:
        if self.on:
            self.seconds[part] = self.seconds.get(part, 0.0) + self.now() - self._began
            self._inside = False
