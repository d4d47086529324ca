"""The client that a judge is asked with: the openai package's own, with a deadline for each attempt."""

import asyncio
from typing import Any

import httpx
from openai import AsyncOpenAI, DefaultAsyncHttpxClient


class Punctual(DefaultAsyncHttpxClient):
    """Gives up an answer that is not complete after `seconds`.

    The time-outs of an HTTP client are for each read: a server that sends a byte now and then is waited for for ever.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(timeout=seconds)
        self._seconds = seconds

    async def send(self, request: Any, **options: Any) -> Any:
        """The answer with its body. Raises `httpx.ReadTimeout`, after which the openai client asks again."""
        try:
            async with asyncio.timeout(self._seconds):
                return await super().send(request, **options)
        except TimeoutError:
            raise httpx.ReadTimeout("the answer was not complete in time") from None


def client_for(base_url: str, key: str, *, timeout: float, max_retries: int) -> AsyncOpenAI:
    """A client for an OpenAI-compatible endpoint, with `timeout` seconds for each of `1 + max_retries` attempts."""
    return AsyncOpenAI(base_url=base_url, api_key=key, max_retries=max_retries, http_client=Punctual(timeout))
