"""Settings: the judge, where reward_funcs names one."""

from dataclasses import dataclass
from pathlib import Path

from grao_ref.settings.kinds import Positive


@dataclass(frozen=True)
class JudgeGroup:
    """The judge, where reward_funcs names one."""

    judge_base_url: str | None = None
    """An OpenAI-compatible endpoint ($OPENAI_BASE_URL if left); its key is read from $OPENAI_API_KEY."""
    judge_model: str | None = None
    """The judge model's name at that endpoint (the paper: DeepSeek-V3)."""
    judge_timeout: Positive = 60.0
    """Seconds to wait for a verdict, in each of four attempts."""
    judge_swap: bool = False
    """Ask twice with the texts swapped, and count only verdicts that agree."""
    judge_cache: Path | None = None
    """File of verdicts, which are then never requested twice."""
