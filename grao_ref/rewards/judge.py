"""A language model as the judge of each response against its reference, over any OpenAI-compatible endpoint."""

import asyncio
import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grao_ref.equations.checks import require_nonnegative, require_one_of, require_positive
from grao_ref.plugins.blame import one_line
from grao_ref.plugins.importing import unavailable
from grao_ref.plugins.secrets import redacted
from grao_ref.rewards.cache import VerdictCache
from grao_ref.rewards.verdict import CRITERIA, Criterion, parse, question
from grao_ref.rewards.waiting import Waiter
from grao_ref.text.messages import Completion, Prompt, answer_text, transcript

INSTALL = "pip install 'grao_ref[judge]'"
ABOUT_ONE = (400, 413, 422)  # statuses that refuse one question: too long, or its content


class JudgeGoneError(ConnectionError):
    """The judge answers no question any more."""


@dataclass(frozen=True)
class JudgeSettings:
    """The judge's endpoint and how questions are sent to it. Its key is $OPENAI_API_KEY; a local server needs none."""

    base_url: str | None = None
    """The endpoint, such as http://localhost:8000/v1; $OPENAI_BASE_URL if left."""
    model: str | None = None
    """The judge's name at that endpoint (the paper: DeepSeek-V3)."""
    timeout: float = 60.0
    """Seconds in which an answer has to be complete; then the question is asked again."""
    max_retries: int = 3
    """How often a question is asked again after a time-out, a lost connection, or an error of the server."""
    concurrency: int = 8
    """Questions that are asked at the same time."""
    max_tokens: int = 64
    """The most tokens of a reply; a judge that reasons first needs more."""
    swap: bool = False
    """Ask twice, the second time with the texts swapped. Where the two verdicts disagree, it is a tie."""
    cache: Path | None = None
    """A file of verdicts, so that no question is sent twice; by default they are kept in memory only."""

    def __post_init__(self) -> None:
        """Raise `ValueError` on a value that no judge can use."""
        require_positive(timeout=self.timeout, concurrency=self.concurrency, max_tokens=self.max_tokens)
        require_nonnegative(max_retries=self.max_retries)


class Judge:
    """R(o, y): 1 where the judge finds the response better than the reference, 0 equal, -1 worse.

    R(y, y) is 0 and nothing is asked. The reward is None where there is no verdict: `failed` counts questions without a
    reply, `unreadable` replies without a verdict. The first of each kind in a run gives a warning. Where no question of
    a call is answered, the judge is gone: `JudgeGoneError`. Raises `ValueError` on settings without an endpoint or a
    model, on a URL that is none, and where the client is not installed.
    """

    def __init__(self, criterion: Criterion, settings: JudgeSettings) -> None:
        require_one_of(tuple(CRITERIA), criterion=criterion)
        base_url = settings.base_url or os.environ.get("OPENAI_BASE_URL")
        if not base_url or not settings.model:
            missing = "judge_model" if base_url else "judge_base_url"
            raise ValueError(f"a judge needs {missing}: an OpenAI-compatible endpoint and the name of a model there")
        try:
            from openai import OpenAIError

            from grao_ref.rewards.asking import client_for
        except ImportError as error:
            raise unavailable("openai", error, f"an LLM judge needs the openai client: {INSTALL}") from None
        self._errors: tuple[type[Exception], ...] = (OpenAIError, ValueError, RecursionError)
        self.criterion, self.settings = criterion, settings
        self.where = f"the judge {settings.model!r} at {redacted(base_url)}"
        key = os.environ.get("OPENAI_API_KEY") or "none"
        try:
            self._client = client_for(base_url, key, timeout=settings.timeout, max_retries=settings.max_retries)
        except Exception as error:
            raise ValueError(f"{self.where} can't be asked: {_say(error)}") from None
        self._waiter, self._room = Waiter(), asyncio.Semaphore(settings.concurrency)
        self._cache = VerdictCache(settings.cache)
        self._warned: set[str] = set()
        self.asked = self.failed = self.unreadable = 0
        self.__name__ = f"judge_{criterion}"

    def __call__(
        self, prompts: Sequence[Prompt], completions: Sequence[Completion], references: Sequence[str], **columns: Any
    ) -> list[float | None]:
        """The verdict on each completion. Equal questions are asked once, and questions in the cache are not asked."""
        rows = [self._questions(*row) for row in zip(prompts, map(answer_text, completions), references, strict=True)]
        verdicts = self._ask_all({key: text for row in rows for key, text in row.items()})
        return [_combine([verdicts[key] for key in row]) for row in rows]

    def check(self) -> None:
        """Ask one easy question without the cache. Raises `ValueError` naming the URL where the reply is no verdict."""
        asked = question(self.criterion, "user: How many days has a week?", "A week has seven days.", "Shut up.")
        (reply,) = self._waiter.wait([self._reply(asked)])
        if isinstance(reply, self._errors):
            raise ValueError(f"{self.where} can't be reached: {_say(reply)}") from None
        if isinstance(reply, BaseException):
            raise reply
        if parse(reply) is None:
            raise ValueError(
                f"{self.where} gave no verdict but {redacted(reply)[:80]!r}; exactly one of 1 > 2, 1 = 2, 1 < 2 "
                "is needed"
            )

    def close(self) -> None:
        """Close the connections."""
        self._waiter.wait([self._client.close()])

    def _questions(self, prompt: Prompt, completion: str, reference: str) -> dict[str, str]:
        """Key -> question: none where response and reference are the same, two where the texts are also swapped."""
        if completion.strip() == reference.strip():
            return {}
        orders = [(completion, reference), (reference, completion)][: 1 + self.settings.swap]
        texts = [question(self.criterion, transcript(prompt), *order) for order in orders]
        return {self._key(text): text for text in texts}

    def _key(self, text: str) -> str:
        """A hash of the model and of the whole question: template and texts."""
        return hashlib.sha256(json.dumps([self.settings.model, text]).encode()).hexdigest()

    def _ask_all(self, questions: dict[str, str]) -> dict[str, int | None]:
        found = {key: self._cache.get(key) for key in questions}
        unknown = [key for key, verdict in found.items() if verdict is None]
        errors: list[Exception] = []
        answers = self._waiter.wait([self._verdict(key, questions[key]) for key in unknown])
        for key, answer in zip(unknown, answers, strict=True):
            if isinstance(answer, self._errors):
                errors.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found[key] = answer
        self._count([found[key] for key in unknown], errors)
        return found

    async def _verdict(self, key: str, text: str) -> int | None:
        """The verdict, which is then in the cache; None if it can't be read."""
        async with self._room:
            verdict = parse(await self._reply(text))
        if verdict is not None:
            self._cache.put(key, verdict)
        return verdict

    async def _reply(self, text: str) -> str:
        completion: Any = await self._client.chat.completions.create(
            model=str(self.settings.model),
            messages=[{"role": "user", "content": text}],
            temperature=0.0,
            max_tokens=self.settings.max_tokens,
        )
        try:
            reply = completion.choices[0].message.content
        except (AttributeError, LookupError, TypeError):
            raise ValueError(f"the answer is no chat completion but {str(completion)[:1000]!r}") from None
        if not isinstance(reply, str):
            raise ValueError(f"an answer without text: {reply!r}")
        return reply

    def _count(self, verdicts: Sequence[int | None], errors: Sequence[Exception]) -> None:
        """Count and warn. Raises `JudgeGoneError` where every question failed, and none for what it asked."""
        self.asked += len(verdicts)
        self.failed += len(errors)
        unreadable = verdicts.count(None) - len(errors)
        self.unreadable += unreadable
        if errors and len(errors) == len(verdicts) and not any(map(_is_about_one, errors)):
            raise JudgeGoneError(
                f"{self.where} answered none of {len(errors)} questions (retries of each: up to "
                f"{self.settings.max_retries}; {_say(errors[0])})"
            )
        if errors:
            self._warn("failed", f"{self.where} did not answer ({_say(errors[0])}); such completions are unscored")
        if unreadable:
            self._warn("unreadable", f"{self.where} gave an answer without a verdict; such completions are unscored")

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(message, RuntimeWarning, stacklevel=2)


def _combine(verdicts: Sequence[int | None]) -> float | None:
    """No question: a tie. One: its verdict. Two, the second with the texts swapped: their verdict if they agree."""
    read = [float(verdict) for verdict in verdicts if verdict is not None]
    if len(read) < len(verdicts):
        return None
    if len(read) == 2:
        return read[0] if read[0] == -read[1] else 0.0
    return read[0] if read else 0.0


def _is_about_one(error: Exception) -> bool:
    """Whether a question was refused for itself: it is too long, or its text is not to be asked, or to be sent."""
    return getattr(error, "status_code", None) in ABOUT_ONE or isinstance(error, UnicodeEncodeError)


def _say(error: Exception) -> str:
    """The kind of the error and the beginning of its message, in one line."""
    return f"{type(error).__name__}: {one_line(redacted(str(error)))[:200]}"
