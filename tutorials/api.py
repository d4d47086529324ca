"""The package's public names, read from its source without importing it: what the reference of the site is made from.

Public is what has no underscore in front. Signatures and types are shown as the source has them.
"""

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LONGEST = 76  # characters of a signature on one line
SAID = ("__init__", "__call__")  # methods with underscores that a caller uses
VALUE = 15  # lines of a constant that are shown

Function = ast.FunctionDef | ast.AsyncFunctionDef


def source(node: ast.AST) -> str:
    """A part of the source on one line, with double quotes where they need no escape.

    >>> source(ast.parse("x: Float[Tensor, 'N G']"))
    'x: Float[Tensor, "N G"]'
    """
    text = ast.unparse(node)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        (row, start), (_, end) = token.start, token.end
        escapes = set('"\\') & set(token.string)
        if token.string.startswith("'") and row == 1 and not escapes:
            text = f'{text[:start]}"{token.string[1:-1]}"{text[end:]}'
    return text


@dataclass(frozen=True)
class Field:
    """A class's attribute, with its type and default, and what is said of it."""

    head: str  # name: type = default
    words: str  # the text below it, or the comment beside it or above it
    section: str = ""  # a comment above that heads a group of fields


@dataclass(frozen=True)
class Entry:
    """A function, a class, a method or a constant."""

    name: str
    head: str  # its signature
    words: str  # its docstring
    code: str = ""  # a function's lines below its docstring
    fields: tuple[Field, ...] = ()
    methods: tuple["Entry", ...] = ()
    bases: tuple[str, ...] = ()  # of a class, as its module names them
    is_value: bool = False


@dataclass(frozen=True)
class Module:
    """A module: its name, its docstring, its public names, and where the names in it come from."""

    name: str  # grao_ref.equations.grao
    words: str
    entries: tuple[Entry, ...]
    imported: dict[str, str]  # a name in this module -> module.name where it is defined
    exported: tuple[str, ...]  # of `__all__`
    is_package: bool = False

    @property
    def package(self) -> str:
        """`equations`; empty for the modules at the top and for the whole package."""
        parts = self.name.split(".")
        return (
            parts[1] if len(parts) > 2 or (self.is_package and len(parts) == 2) else ""
        )

    @cached_property
    def names(self) -> dict[str, str]:
        """A name as this module knows it -> its full name."""
        own = {entry.name: f"{self.name}.{entry.name}" for entry in self.entries}
        return self.imported | own


def modules(package: Path) -> list[Module]:
    """Every public module below a package's folder, in the order of their names.

    Raises `SyntaxError` where a file is no Python.
    """
    root = package.parent
    paths = sorted(package.rglob("*.py"))
    return [
        module_of(path, root)
        for path in paths
        if not path.stem.startswith("_") or path.stem == "__init__"
    ]


def module_of(path: Path, root: Path) -> Module:
    """What a file offers."""
    text = path.read_text()
    tree, comments = ast.parse(text), _comments(text)
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    imported: dict[str, str] = {}
    exported: tuple[str, ...] = ()
    entries: list[Entry] = []
    for node in [*tree.body, *_for_types(tree)]:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, Function) and not node.name.startswith("_"):
            entries.append(_function(node, text))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            entries.append(_class(node, text, comments))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = source(
                node.targets[0] if isinstance(node, ast.Assign) else node.target
            )
            if target == "__all__" and node.value is not None:
                exported = tuple(ast.literal_eval(node.value))
            elif target.isidentifier() and not target.startswith("_"):
                entries.append(_value(node, target, text, comments))
    words = ast.get_docstring(tree) or ""
    short = name.removesuffix(".__init__")
    return Module(short, words, tuple(entries), imported, exported, short != name)


def _for_types(tree: ast.Module) -> Iterator[ast.stmt]:
    """What stands below `if TYPE_CHECKING:`, where a module names what it imports later."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from node.body


def _value(
    node: ast.Assign | ast.AnnAssign, name: str, text: str, comments: dict[int, str]
) -> Entry:
    """A constant or another name of a type, as the source has it unless it is long."""
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    head = "\n".join(lines)
    if len(lines) > VALUE:
        head = f"{lines[0].partition(' = ')[0]} = ..."
        head += f"  # {comments[node.lineno]}" if node.lineno in comments else ""
    return Entry(name, head, "", is_value=True)


def _function(node: Function, text: str) -> Entry:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    code = ""
    if body:
        first = (
            node.body[0].end_lineno
            if body is not node.body
            else node.body[0].lineno - 1
        )
        code = "\n".join(text.splitlines()[first : node.end_lineno])
    return Entry(
        node.name,
        signature(node),
        ast.get_docstring(node) or "",
        textwrap.dedent(code).strip("\n"),
    )


def signature(node: Function) -> str:
    """`def name(arguments) -> result` as the source has it, on several lines if one would be long."""
    arguments, result = source(node.args), ""
    if node.returns is not None:
        result = f" -> {source(node.returns)}"
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    decorators = "".join(f"@{source(each)}\n" for each in node.decorator_list)
    line = f"{kind} {node.name}({arguments}){result}"
    if len(line) > LONGEST:
        inside = "".join(f"    {each},\n" for each in _arguments(node.args))
        line = f"{kind} {node.name}(\n{inside}){result}"
    return decorators + line


def _arguments(given: ast.arguments) -> Iterator[str]:
    """Each argument with its type and default, and the lone * and /."""
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    for index, (argument, default) in enumerate(zip(plain, defaults, strict=True), 1):
        yield _argument(argument, default)
        if index == len(given.posonlyargs):
            yield "/"
    if given.vararg is not None:
        yield f"*{_argument(given.vararg, None)}"
    elif given.kwonlyargs:
        yield "*"
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _argument(argument, default)
    if given.kwarg is not None:
        yield f"**{_argument(given.kwarg, None)}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    words = source(argument)
    if default is None:
        return words
    return f"{words}{' = ' if argument.annotation else '='}{source(default)}"


def _class(node: ast.ClassDef, text: str, comments: dict[int, str]) -> Entry:
    decorators = "".join(f"@{source(each)}\n" for each in node.decorator_list)
    bases = ", ".join(source(each) for each in (*node.bases, *node.keywords))
    head = f"{decorators}class {node.name}{f'({bases})' if bases else ''}"
    methods = tuple(
        _function(each, text)
        for each in node.body
        if isinstance(each, Function)
        and (not each.name.startswith("_") or each.name in SAID)
    )
    fields = tuple(_fields(node, text.splitlines(), comments))
    words = ast.get_docstring(node) or ""
    named = tuple(each.id for each in node.bases if isinstance(each, ast.Name))
    return Entry(node.name, head, words, "", fields, methods, named)


def _fields(
    node: ast.ClassDef, lines: list[str], comments: dict[int, str]
) -> Iterator[Field]:
    """The attributes with a type. Their words: the text below, else the comment beside, else the comment above."""
    after = [*node.body[1:], None]
    for each, following in zip(node.body, after, strict=True):
        if not isinstance(each, ast.AnnAssign) or source(each.target).startswith("_"):
            continue
        words = ""
        if isinstance(following, ast.Expr) and isinstance(
            following.value, ast.Constant
        ):
            words = str(following.value.value)
        beside = comments.get(each.lineno, "")
        above: list[str] = []
        row = each.lineno - 1
        while re.match(r"\s*#", lines[row - 1]):
            above.insert(0, comments[row])
            row -= 1
        heads = bool(words or beside)
        words = words or beside or " ".join(above)
        yield Field(source(each), words, " ".join(above) if heads else "")


def _comments(text: str) -> dict[int, str]:
    """Line number -> its comment, without the sign."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = (each for each in tokens if each.type == tokenize.COMMENT)
    return {each.start[0]: each.string.lstrip("# ").strip() for each in found}
