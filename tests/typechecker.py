"""Checks the shapes in the signatures: `jaxtyping.jaxtyped` with beartype, in a form that costs less.

jaxtyping calls each function by way of two others, which it writes and compiles anew wherever a function is defined
inside a function. The training loop does that at every step, and was five times slower checked than unchecked. Here
one wrapper of beartype's checks arguments and result, and is made once for each line that says `def`. A check depends
on types, dtypes and shapes alone, so a call that has those of an accepted one is not checked again: a step of the
bandit's loop, which has the same shapes as the step before, took 1.6 times as long with checks as without.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Collection
from inspect import Parameter, Signature
from types import SimpleNamespace
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, config, jaxtyped
from torch import Tensor

Function = Callable[..., Any]
CONF = BeartypeConf(is_pep484_tower=True)  # an int is accepted where a float is expected
PASSED_ON = {Parameter.VAR_POSITIONAL: "*{0}", Parameter.KEYWORD_ONLY: "{0}={0}", Parameter.VAR_KEYWORD: "**{0}"}
_relays: dict[Any, Function] = {}  # by the code and the hints of a function


def check(checked: Any) -> Any:
    """A function that checks its arguments and its result; a dataclass that checks its fields."""
    if not inspect.isclass(checked):
        return _function(checked)
    if dataclasses.is_dataclass(checked) and "__init__" in vars(checked):
        checked.__init__ = _function(checked.__init__)
    return checked


def _function(function: Function) -> Function:
    hints = function.__annotations__
    key = (function.__code__, *map(repr, hints.values()))  # jaxtyping's hints are equal in their names alone
    relay = _relays.get(key) or beartype(conf=CONF)(_relay(function))
    if not (function.__defaults__ or function.__kwdefaults__):  # which are new objects whenever `def` is run
        _relays[key] = relay
    call = functools.partial(relay, function)
    letters = any(map(_has_letters, hints.values()))
    accepted = vars(relay).setdefault("accepted", set())  # kinds of the arguments, and of them with the result
    by_kind = letters and not any(map(_by_value, relay.__annotations__.values()))

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if config.jaxtyping_disable:
            return function(*args, **kwargs)
        if not letters:
            return call(*args, **kwargs)
        given = tuple(map(_kind, (*args, *kwargs, *kwargs.values()))) if by_kind else (None,)
        if given in accepted:
            result = function(*args, **kwargs)
            if (given, _kind(result)) in accepted:
                return result
            again = functools.partial(relay, lambda *args, **kwargs: result)
        else:
            again = call
        with jaxtyped("context"):  # a letter stands for one size in the whole call
            result = again(*args, **kwargs)
        if None not in given:
            accepted.add(given)
            if (returned := _kind(result)) is not None:
                accepted.add((given, returned))
        return result

    return wrapper


def _relay(function: Function) -> Function:
    """A function with the same parameters and hints after its first argument, which is the function that it calls.

    It is no generator where `function` is one, so its arguments are checked when it is called, not when it is read.
    """
    parameters = inspect.signature(function).parameters.values()
    bare = [
        each.replace(annotation=Parameter.empty, default=each.default if each.default is Parameter.empty else None)
        for each in parameters
    ]
    declared = Signature([Parameter("_function", Parameter.POSITIONAL_ONLY), *bare])
    passed_on = ", ".join(PASSED_ON.get(each.kind, "{0}").format(each.name) for each in parameters)
    made: dict[str, Any] = {}
    exec(f"def relay{declared}: return _function({passed_on})", function.__globals__, made)
    relay: Function = made["relay"]
    relay.__annotations__ = {name: _resolved(hint, function) for name, hint in function.__annotations__.items()}
    for name in ("__name__", "__defaults__", "__kwdefaults__", "__module__", "__qualname__"):
        setattr(relay, name, getattr(function, name))
    return relay


def _resolved(hint: Any, function: Function) -> Any:
    """What a hint in quotes names; where that is not imported, or not yet defined, anything passes."""
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"hint": hint}), function.__globals__, None, True)["hint"]
    except NameError:
        return Any


def _has_letters(hint: Any) -> bool:
    return (inspect.isclass(hint) and issubclass(hint, AbstractArray)) or any(map(_has_letters, get_args(hint)))


def _kind(value: Any) -> Any:
    """What a check sees of a value; None where it looks into it: a list, a tuple of numbers, a class.

    The attributes' names are there for protocols, which ask for them.
    """
    kind = type(value)
    if isinstance(value, Tensor):
        return kind, value.dtype, value.shape
    if isinstance(value, bool | int | float | str | None):
        return kind
    if isinstance(value, tuple):
        kinds = tuple(map(_kind, value))
        return (kind, kinds) if all(isinstance(each, tuple) for each in kinds) else None
    return None if isinstance(value, type | Collection) else (kind, *getattr(value, "__dict__", ()))


def _by_value(hint: Any) -> bool:
    """Whether a hint asks for more than a type: `Literal["a"]`."""
    return get_origin(hint) in (Literal, Annotated) or any(map(_by_value, get_args(hint)))
