"""Keys, passwords and tokens, which never stand in a message, a setting that is written down, or a model card."""

import os
import re
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "…"
SHORTEST = 8  # a value of fewer characters may be a word of the message
_NAMES = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^\s/?#]*@")
_KEYLIKE = r"(?:[\w.-]*(?:key|token|secret|password|passwd|pwd|sig|signature|credential|credentials|auth)|code)"
_QUERY = re.compile(rf"([?&;#]{_KEYLIKE}=)[^\s&;#\"'<>]+", re.IGNORECASE)
_HEADER = re.compile(
    rf"""(\b(?:authorization|api[-_]?key)["']?\s*+[:=]\s*+["']?(?:(?:bearer|basic)\s++)?)(?!{HIDDEN})[^\s"',;]{{8,}}""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\b(?:bearer|basic)\s++)(?=[A-Za-z._~+/=-]*+[0-9])[\w.~+/=-]{8,}", re.IGNORECASE)
_FAMILIAR = re.compile(r"\b(?:sk-|hf_|gh[oprsu]_)[\w-]{16,}")  # the forms of OpenAI's, the hub's and GitHub's keys


def redacted(text: str) -> str:
    """The text with `…` in the place of each secret.

    Secrets are the values of environment variables whose names end in KEY, TOKEN, SECRET or PASSWORD, if they have at
    least 8 characters, and the passwords in variables that hold a URL. So are, wherever they come from, the user and
    password of a URL, the values of a query's parameters that are named like a key, bearer tokens, the values of
    authorization and api-key headers, and what has the form of a well-known service's key.

    >>> redacted("http://user:pass@host:80/v1?api_key=123&n=1 refused Bearer abc12345")
    'http://…@host:80/v1?api_key=…&n=1 refused Bearer …'
    """
    for secret in sorted(_secrets(), key=len, reverse=True):  # one may be the beginning of another
        text = text.replace(secret, HIDDEN)
    text = _USER.sub(f"{HIDDEN}@", text)
    for pattern in (_QUERY, _HEADER, _BEARER):
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return _FAMILIAR.sub(HIDDEN, text)


def _secrets() -> set[str]:
    """The environment's secrets, as they are and as a URL has them."""
    found = {value.strip() for name, value in os.environ.items() if _NAMES.search(name)}
    found |= {_user_of(value) for value in os.environ.values() if value.startswith(("http://", "https://"))}
    forms = {form for secret in found for form in (secret, unquote(secret), quote(secret, safe=""))}
    return {form for form in forms if len(form) >= SHORTEST}


def _user_of(url: str) -> str:
    """A URL's password, or its user where that is all it has: a token."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL
        return ""
    return parts.password or parts.username or ""
