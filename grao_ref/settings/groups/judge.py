"""Settings: the judge, where reward_funcs names one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from grao_ref.plugins.secrets import redacted
from grao_ref.settings.kinds import Positive


def require_no_secret(**urls: str) -> None:
    """No argument holds a key or a password: settings are written down, beside the run and in what it uploads."""
    for name, url in urls.items():
        if "@" in url or redacted(url) != url:
            raise ValueError(
                f"{name} must hold no key or password, because settings are written down: put the key into "
                "$OPENAI_API_KEY, or the whole URL into $OPENAI_BASE_URL"
            )


PlainURL = Annotated[str, require_no_secret]


@dataclass(frozen=True)
class JudgeGroup:
    """The judge, where reward_funcs names one."""

    judge_base_url: PlainURL | None = None
    """An OpenAI-compatible endpoint ($OPENAI_BASE_URL if left); its key is read from $OPENAI_API_KEY."""
    judge_model: str | None = None
    """The judge model's name at that endpoint (the paper: DeepSeek-V3)."""
    judge_timeout: Positive = 60.0
    """Seconds in which a verdict has to be complete, in each of four attempts."""
    judge_swap: bool = False
    """Ask twice with the texts swapped, and count only verdicts that agree."""
    judge_cache: Path | None = None
    """File of verdicts, which are then never requested twice."""
