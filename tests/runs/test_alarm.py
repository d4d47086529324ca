"""The warning of thm-4."""

from grao_ref.methods.registry import METHODS, register
from grao_ref.runs.alarm import SINKING, Alarm
from grao_ref.settings.config import Config
from tests.extensions.rloo import RLOO


def test_alarm_warns_once_that_the_references_sink_and_names_the_switch():
    printed = Config(imitate_only_when_ahead=False)
    alarm = Alarm()
    assert [alarm.check(loglik, printed) for loglik in (-1.0, -0.5, -3.0)] == [None] * 3  # 2 nats, and no more
    warning = alarm.check(-3.01, printed)
    assert "from -1.00 to -3.01 nats per token, by more than 2.0 (thm-4): --imitate-only-when-ahead leaves" in warning
    assert alarm.check(-9.0, printed) is None
    repaired = Alarm()
    assert repaired.check(0.0, Config()) is None
    cure = repaired.check(-2.5, Config())
    assert "already the repaired objective" in cure
    assert "--imitate" not in cure
    for method in ("sft", "dpo", "ppo", "grpo"):
        silent = Alarm()
        assert [silent.check(loglik, Config(method=method)) for loglik in (0.0, -50.0)] == [None, None]
    assert SINKING == 2.0


def test_a_method_of_one_s_own_without_the_switch_is_not_warned():
    name = register(RLOO)
    try:
        alarm = Alarm()
        assert [alarm.check(loglik, Config(method=name)) for loglik in (0.0, -50.0)] == [None, None]
    finally:
        del METHODS[name]
