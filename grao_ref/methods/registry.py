"""The table of methods, by name. A user's own joins it by `register`, or by its dotted path, without a change here.

register(MINE)                                  in Python; `Config(method="mine")` then trains it
--method my_package.my_module.MINE              on the command line and in a config file
"""

from dataclasses import fields

from grao_ref.methods.calls import called
from grao_ref.methods.dpo import DPO
from grao_ref.methods.grao import GRAO
from grao_ref.methods.grpo import GRPO
from grao_ref.methods.interface import Method, Needs
from grao_ref.methods.ppo import PPO
from grao_ref.methods.sft import SFT
from grao_ref.plugins.importing import import_object
from grao_ref.plugins.near import hint
from grao_ref.settings.config import Config

BUILT_IN = {method.name: method for method in (SFT, DPO, PPO, GRPO, GRAO)}
METHODS = dict(BUILT_IN)  # and what users add: by name, or by dotted path once it has been imported


def register(method: Method) -> str:
    """Make a method usable by its name, which is returned.

    Raises `ValueError` on a part that is missing, naming it, and on a name that another method has.
    """
    require_parts(method)
    _require_own_name(method)
    METHODS[method.name] = method
    return method.name


def method_of(name: str) -> Method:
    """The method with this name, or at this dotted path. Raises `ValueError` where there is none, with the nearest."""
    if name in METHODS:
        return METHODS[name]
    if "." not in name:
        known = f"it has to be one of {', '.join(METHODS)}, or package.module.METHOD"
        raise ValueError(f"unknown method {name!r}; {hint(name, METHODS, known)}")
    method = import_object(name, "method")
    if not isinstance(method, Method):
        raise ValueError(f"method {name!r} is a {type(method).__name__}; name a `Method` (grao_ref.methods.interface)")
    require_parts(method)
    _require_own_name(method)
    METHODS[name] = method
    return method


def use(method: Method) -> str:
    """`register` for a method that may be defined again, as in a notebook's cell: it replaces a user's of its name.

    Raises `ValueError` on a part that is missing, and on the name of a method of this package.
    """
    require_parts(method)
    if method.name not in BUILT_IN:
        METHODS.pop(method.name, None)
    return register(method)


def prompts_per_step(config: Config) -> int:
    """Prompts of an optimiser step: its batch counts samples where a method samples groups, and rows where not.

    >>> [prompts_per_step(Config(method=name, per_device_train_batch_size=32)) for name in ("grao", "sft")]
    [4, 32]
    """
    group = config.num_generations if method_of(config.method).needs(config).samples else 1
    return config.per_device_train_batch_size // group * config.gradient_accumulation_steps


def label_of(config: Config) -> str:
    """What tables, logs and files call a run with these settings."""
    method = method_of(config.method)
    return method.name if method.label is None else str(called(method, "label", config))


def summary_of(config: Config) -> str:
    """Which objective is trained, in a line."""
    method = method_of(config.method)
    return f"{label_of(config)}." if method.summary is None else str(called(method, "summary", config))


def ignored(config: Config) -> tuple[str, ...]:
    """Settings with a value of their own that some method of ours reads, and this one does not.

    >>> ignored(Config(method="sft", pool="outputs", num_generations=4)), ignored(Config(pool="outputs"))
    (('num_generations', 'pool'), ())
    """
    read = _reads(method_of(config.method), config)
    known = set().union(*(_reads(method, config) for method in BUILT_IN.values())) - read
    return tuple(
        field.name for field in fields(config) if field.name in known and getattr(config, field.name) != field.default
    )


def _reads(method: Method, config: Config) -> set[str]:
    """Its own settings, and the size of its groups where it samples any."""
    return {*method.reads, *(("num_generations",) if require_needs(method, config).samples else ())}


def about_ignored(config: Config) -> tuple[str, ...]:
    """A line of the log about the settings that the method ignores; none where it ignores none."""
    names, method = ignored(config), method_of(config.method)
    if not names:
        return ()
    why = "which does not read them" if method.name in BUILT_IN else "whose `reads` does not name them"
    return (f"Ignored by {method.name}, {why}: {', '.join(names)}.",)


def require_parts(method: Method) -> None:
    """Raise `ValueError` on a method that lacks a part, or a part that its needs imply, naming both."""
    if not isinstance(method, Method):
        raise ValueError(f"a method is a `Method` (grao_ref.methods.interface), got {type(method).__name__}")
    if not isinstance(method.name, str) or not method.name.strip():
        raise ValueError(f"a method has a name, got {method.name!r}")
    for part in ("needs", "objective", "denominator"):
        if not callable(getattr(method, part)):
            raise ValueError(f"method {method.name!r} has no {part}")
    require_needs(method, Config())


def _require_own_name(method: Method) -> None:
    """Raise `ValueError` where another method has the name: logs and tables could not tell the two apart."""
    if METHODS.get(method.name, method) is not method:
        raise ValueError(f"there is another method {method.name!r} already: give this one a name of its own")


def require_needs(method: Method, config: Config) -> Needs:
    """What the method needs with these settings. Raises `ValueError` on a part that they imply and that is missing."""
    needs = called(method, "needs", config)
    if not isinstance(needs, Needs):
        raise ValueError(f"method {method.name!r}: needs must return `Needs`, got {type(needs).__name__}")
    if needs.samples and not callable(method.advantages):
        raise ValueError(f"method {method.name!r} has no advantages: it needs samples, whose rewards become advantages")
    if needs.critic and not (needs.samples and callable(method.critique)):
        raise ValueError(f"method {method.name!r} has no critique: it needs a critic, whose values become targets")
    if not isinstance(needs.reference_model, tuple):
        raise ValueError(f"method {method.name!r}: reference_model must be a tuple, got {needs.reference_model!r}")
    unknown = set(needs.reference_model) - {"samples", "references", "rejected"}
    if unknown:
        raise ValueError(f"method {method.name!r}: there are no {', '.join(sorted(unknown))} for a reference model")
    return needs
