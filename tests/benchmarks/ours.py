"""The side that is this package: its own loop, `training.loop.proceed`, on its own policy and task."""

from collections.abc import Iterator

from grao_ref.data.examples import Example
from grao_ref.data.rows import Row
from grao_ref.policies.build import policy_as_it_is
from grao_ref.rewards.scorer import Scorer
from grao_ref.settings.config import Config
from grao_ref.tasks.text import TextTask
from grao_ref.text.encoding import Encoder
from grao_ref.training.loop import Report, proceed, start
from tests.benchmarks.endings import END, Endings
from tests.benchmarks.materials import Materials, reward
from tests.benchmarks.pace import Pace
from tests.benchmarks.workload import Workload, lengths_of

FORWARDS = ("logprobs", "logprobs_and_values", "values")  # those of a policy's that there are


def run(pace: Pace, made: Materials, *, method: str, slowed: bool = False, paged: bool = False) -> None:
    """Steps of the package's loop. `slowed`: five steps in place of each, as a control of the comparison.

    `paged`: with the setting `sampler: paged`.
    """
    policy, task, config = parts(method, pace.workload, made)
    if paged:
        policy.page()
    training = start(policy, config)
    if pace.workload.ragged:
        policy.sample = Endings(made.model, lengths_of(pace.workload)).around(policy.sample)
    pace.clock.wrap(policy, "sample", "generation")
    for name in FORWARDS:
        if hasattr(policy, name):
            pace.clock.wrap(policy, name, "forward")
    reports: Iterator[Report] = proceed(task, training, config)
    while pace.wait():
        report = [next(reports) for _ in range(5 if slowed else 1)][-1]
        pace.done(int(report.batch.samples.mask.sum()))


def parts(method: str, workload: Workload, made: Materials) -> tuple:
    """Policy, task and config, as a run has them. Answers end at their last token, or by `Endings` if ragged."""
    config = Config(
        method=method,
        num_generations=workload.group,
        per_device_train_batch_size=workload.rows,
        max_completion_length=workload.length,
        max_steps=10**6,
        learning_rate=1e-5,
        bf16=workload.bf16,
    )
    policy = policy_as_it_is(made.model, made.tokenizer, config)
    policy.stop_at([END] if workload.ragged else [])
    text = made.tokenizer.decode
    examples = [Example(Row(text(q), text(y)), q, y, None) for q, y in zip(made.prompts, made.references, strict=True)]
    task = TextTask(
        examples, Encoder(made.tokenizer), Scorer({"even": reward}), batch=workload.prompts, seed=config.seed
    )
    return policy, task, config
