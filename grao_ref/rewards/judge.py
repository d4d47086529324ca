"""A language model as the judge of each response against its reference, over any OpenAI-compatible endpoint."""

import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grao_ref.equations.checks import require_nonnegative, require_one_of, require_positive
from grao_ref.rewards.cache import VerdictCache
from grao_ref.rewards.verdict import CRITERIA, Criterion, parse, question
from grao_ref.text.messages import Completion, Prompt, answer_text, transcript

INSTALL = "pip install 'grao_ref[judge]'"


@dataclass(frozen=True)
class JudgeSettings:
    """The judge's endpoint and how questions are sent to it. Its key is $OPENAI_API_KEY; a local server needs none."""

    base_url: str | None = None
    """The endpoint, such as http://localhost:8000/v1; $OPENAI_BASE_URL if left."""
    model: str | None = None
    """The judge's name at that endpoint (the paper: DeepSeek-V3)."""
    timeout: float = 60.0
    """Seconds to wait for an answer before asking again."""
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
    reply, `unreadable` replies without a verdict. The first of each kind in a run gives a warning. Raises `ValueError`
    on settings without an endpoint or a model, and where the client is not installed.
    """

    def __init__(self, criterion: Criterion, settings: JudgeSettings) -> None:
        require_one_of(tuple(CRITERIA), criterion=criterion)
        base_url = settings.base_url or os.environ.get("OPENAI_BASE_URL")
        if not base_url or not settings.model:
            missing = "judge_model" if base_url else "judge_base_url"
            raise ValueError(f"a judge needs {missing}: an OpenAI-compatible endpoint and the name of a model there")
        try:
            from openai import OpenAI, OpenAIError
        except ImportError:
            raise ValueError(f"an LLM judge needs the openai client: {INSTALL}") from None
        self._errors: tuple[type[Exception], ...] = (OpenAIError, ValueError, TypeError, LookupError, AttributeError)
        self.criterion, self.settings, self.base_url = criterion, settings, base_url
        self._client = OpenAI(
            base_url=base_url,
            api_key=os.environ.get("OPENAI_API_KEY") or "none",
            timeout=settings.timeout,
            max_retries=settings.max_retries,
        )
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
        try:
            reply = self._reply(asked)
        except self._errors as error:
            raise ValueError(
                f"the judge {self.settings.model!r} at {self.base_url} can't be reached: {_say(error)}"
            ) from None
        if parse(reply) is None:
            raise ValueError(
                f"the judge {self.settings.model!r} at {self.base_url} gave no verdict but {reply[:80]!r}; "
                "exactly one of 1 > 2, 1 = 2, 1 < 2 is needed"
            )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

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
        pool = ThreadPoolExecutor(max_workers=self.settings.concurrency)
        try:
            for key, answer in zip(
                unknown, pool.map(lambda key: self._verdict(key, questions[key]), unknown), strict=True
            ):
                found[key] = None if isinstance(answer, Exception) else answer
                self._count(answer)
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the questions already sent, not for the whole queue
        return found

    def _verdict(self, key: str, text: str) -> int | Exception | None:
        """The verdict, which is then in the cache; None if it can't be read; the error if there is no reply."""
        try:
            verdict = parse(self._reply(text))
        except self._errors as error:
            return error
        if verdict is not None:
            self._cache.put(key, verdict)
        return verdict

    def _reply(self, text: str) -> str:
        completion = self._client.chat.completions.create(
            model=str(self.settings.model),
            messages=[{"role": "user", "content": text}],
            temperature=0.0,
            max_tokens=self.settings.max_tokens,
        )
        reply = completion.choices[0].message.content
        if not isinstance(reply, str):
            raise ValueError(f"an answer without text: {reply!r}")
        return reply

    def _count(self, answer: int | Exception | None) -> None:
        self.asked += 1
        where = f"the judge {self.settings.model!r} at {self.base_url}"
        if isinstance(answer, Exception):
            self.failed += 1
            self._warn("failed", f"{where} did not answer ({_say(answer)}); such completions are unscored")
        elif answer is None:
            self.unreadable += 1
            self._warn("unreadable", f"{where} gave an answer without a verdict; such completions are unscored")

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


def _say(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"
