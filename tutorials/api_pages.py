"""The reference of the package as pages of the site: one for each package, and an index by what a reader wants."""

import html
import re
from pathlib import Path

from markdown_it import MarkdownIt

from tutorials.api import Entry, Field, Module, modules
from tutorials.api_text import block, folded, parts, python
from tutorials.build import shell

PACKAGE = Path(__file__).parents[1] / "grao_ref"
INDEX = "api.html"
# What a reader wants -> the packages that have it; "" are the modules at the top.
GROUPS: dict[str, tuple[str, ...]] = {
    "Train, from Python or the command line": ("", "settings"),
    "Use the equations in your own code": ("equations",),
    "Add a method, a reward, a task, a data format": (
        *("methods", "rewards", "tasks", "data", "plugins"),
    ),
    "Follow a step of the training": ("training", "policies", "text", "memory"),
    "Train a model that outgrows one card": ("integrations",),
    "Evaluate, and read what a run writes": ("evaluation", "runs"),
}
NAME = re.compile(r'(<span class="n[cfb]?">)(\w+)(</span>)')
CODE = re.compile(r"<code>(\w+(?:[./]\w+)*)(\(\))?</code>")


def write_reference(folder: Path, footer: str, package: Path = PACKAGE) -> list[str]:
    """Write the index and a page for each package; returns the files' names.

    Raises `ValueError` where a package is in no group, or a group names one that is not there.
    """
    read = modules(package)
    found = {module.package for module in read}
    grouped = [name for names in GROUPS.values() for name in names]
    if found != set(grouped):
        raise ValueError(f"GROUPS must name every package once: {found ^ set(grouped)}")
    writer = Writer(read)
    pages = {INDEX: ("Reference", writer.index())}
    for name in grouped:
        title = ".".join(filter(None, ("grao_ref", name)))
        pages[page_of(name)] = (title, writer.page(name))
    names = list(pages)
    for file, (title, body) in pages.items():
        at = names.index(file)
        links = ['<a href="index.html">All tutorials</a>']
        if at:
            links.append(f'<a href="{INDEX}">Reference</a>')
        for word, place in (("prev", at - 1), ("next", at + 1)):
            if at and 1 <= place < len(names):
                other = html.escape(pages[names[place]][0])
                words = f"← {other}" if word == "prev" else f"{other} →"
                links.append(f'<a rel="{word}" href="{names[place]}">{words}</a>')
        main = f'<main class="api">{body}</main>'
        (folder / file).write_text(shell(title, " ".join(links), main, footer))
    return names


def page_of(package: str) -> str:
    """The file of a package's page."""
    return f"api_{package or 'grao_ref'}.html"


class Writer:
    """Modules as HTML, in which a name that a module knows leads to where it is described."""

    def __init__(self, read: list[Module]) -> None:
        self.modules = read
        self.markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        self.markdown.options["highlight"] = lambda text, kind, _: block(text, kind)
        self.places = {module.name: page_of(module.package) for module in read}
        self.entries: dict[str, Entry] = {}
        for module in read:
            for entry in module.entries:
                full = f"{module.name}.{entry.name}"
                self.entries[full] = entry
                self.places[full] = f"{page_of(module.package)}#{full}"
            if not module.is_package:
                self.places[module.name] += f"#{module.name}"
        # A module by the end of its path, as docstrings name it: methods/grao.py, grao.py
        self.files: dict[str, set[str]] = {}
        for name in self.places:
            parts = name.split(".")
            for start in range(1, len(parts)):
                self.files.setdefault("/".join(parts[start:]) + ".py", set()).add(name)

    def index(self) -> str:
        """The packages by what a reader wants, with all of their public names."""
        body = (
            "<h1>Reference</h1><p>Every public name of the package, with its arguments, shapes, units and errors. "
            "N prompts, G samples of each, T tokens, as on the page of <a href='api_grao_ref.html#grao_ref.records'>"
            "records</a>; the page <em>From the paper to the code</em> has the table of symbols. "
            "The texts are the docstrings of the code.</p>"
        )
        for wish, packages in GROUPS.items():
            body += f"<h2>{html.escape(wish)}</h2>"
            for package in packages:
                body += self.summary(package)
        return body

    def summary(self, package: str) -> str:
        """A package's link and first words, and a line of names for each of its modules."""
        ours = self.of(package)
        top, rest = ours[0], ours[1:]
        heading = f'<h3><a href="{page_of(package)}"><code>{top.name}</code></a></h3>'
        names = ", ".join(
            f'<a href="{self.places[top.names[name]]}">{name}</a>'
            for name in top.exported
            if top.names.get(name) in self.places
        )
        own = f"<ul class='names'><li><b>from it</b> {names}</li></ul>" if names else ""
        return heading + self.words(top.words, top, None) + own + self.contents(rest)

    def contents(self, ours: list[Module]) -> str:
        """A line for each module: itself, and its functions and classes."""
        items = ""
        for module in ours:
            names = ", ".join(
                f'<a href="{self.places[f"{module.name}.{entry.name}"]}">{entry.name}</a>'
                for entry in module.entries
                if not entry.is_value
            )
            short = ".".join(module.name.split(".")[1 + bool(module.package) :])
            items += f'<li><a href="{self.places[module.name]}"><b>{short}</b></a> {names}</li>'
        return f'<ul class="names">{items}</ul>'

    def of(self, package: str) -> list[Module]:
        """A package's own module, and those in it."""
        ours = [module for module in self.modules if module.package == package]
        return sorted(ours, key=lambda module: (not module.is_package, module.name))

    def page(self, package: str) -> str:
        """A package: its docstring, its contents, its modules."""
        top, *rest = self.of(package)
        body = f"<h1><code>{top.name}</code></h1>{self.words(top.words, top, None)}"
        if top.exported:
            body += "<h2>From the package itself</h2>" + self.exports(top)
        body += self.contents(rest) if rest else ""
        for module in (top, *rest):
            if module is not top:
                body += f'<h2 id="{module.name}"><code>{module.name}</code></h2>'
                body += self.words(module.words, module, None)
            body += self.values(module)
            body += "".join(
                self.entry(entry, module)
                for entry in module.entries
                if not entry.is_value
            )
        return body

    def exports(self, top: Module) -> str:
        """The names of `__all__`, with the first line of each docstring."""
        items = ""
        for name in top.exported:
            full = top.names.get(name, "")
            entry = self.entries.get(full)
            if entry is not None:
                first = entry.words.partition("\n")[0]
                words = self.markdown.renderInline(first)
                items += f'<li><a href="{self.places[full]}"><code>{name}</code></a>: {words}</li>'
        return f"<ul>{items}</ul>"

    def entry(self, entry: Entry, module: Module) -> str:
        """A function, a class or a constant."""
        full = f"{module.name}.{entry.name}"
        head = self.signature(entry.head, module, entry)
        body = f'<section class="entry" id="{full}">{head}<div class="said">'
        body += self.words(entry.words, module, entry)
        fields = self.inherited(entry, module)
        fields += "".join(self.field(each, module, entry) for each in entry.fields)
        body += f"<dl>{fields}</dl>" if fields else ""
        for method in entry.methods:
            body += self.signature(method.head, module, method)
            body += f'<div class="said">{self.words(method.words, module, method)}{folded(method)}</div>'
        return f"{body}{folded(entry)}</div></section>"

    def values(self, module: Module) -> str:
        """A module's constants and types, in one box."""
        ours = [entry for entry in module.entries if entry.is_value]
        lines = "\n".join(
            f'<span id="{module.name}.{each.name}">{self.linked(python(each.head), module, each)}</span>'
            for each in ours
        )
        return f'<div class="highlight"><pre>{lines}</pre></div>' if ours else ""

    def inherited(self, entry: Entry, module: Module) -> str:
        """The fields of a class's bases in the package, in the order of a dataclass: the last base's first."""
        found = ""
        for name in reversed(entry.bases):
            full = module.names.get(name, "")
            base = self.entries.get(full)
            if base is not None and base.fields:
                home = next(m for m in self.modules if full == f"{m.name}.{name}")
                title = html.escape(base.words.partition("\n")[0].rstrip("."))
                found += f'<dt><b><a href="{self.places[full]}">{title}</a></b></dt>'
                found += "".join(self.field(each, home, base) for each in base.fields)
        return found

    def field(self, field: Field, module: Module, entry: Entry) -> str:
        """A class's attribute."""
        section = (
            f"<dt><b>{html.escape(field.section)}</b></dt>" if field.section else ""
        )
        head = self.linked(python(field.head), module, entry)
        words = self.words(field.words, module, entry)
        return f'{section}<dt class="highlight">{head}</dt><dd>{words}</dd>'

    def signature(self, head: str, module: Module, entry: Entry) -> str:
        """A highlighted head, whose types lead to where they are described."""
        code = self.linked(python(head), module, entry)
        return f'<div class="highlight"><pre>{code}</pre></div>'

    def linked(self, code: str, module: Module, entry: Entry) -> str:
        """Highlighted code with links at the names of other entries."""

        def link(name: re.Match[str]) -> str:
            place = self.places.get(module.names.get(name[2], ""))
            if place is None or name[2] == entry.name:
                return name[0]
            return f'{name[1]}<a href="{place}">{name[2]}</a>{name[3]}'

        return NAME.sub(link, code)

    def words(self, docstring: str, module: Module, entry: Entry | None) -> str:
        """A docstring as HTML; code in it that this module, or a path, leads to becomes a link."""
        taken = set(re.findall(r"\w+", entry.head)) if entry else set()
        taken |= {
            name
            for each in (entry.fields if entry else ())
            for name in re.findall(r"\w+", each.head)[:1]
        }

        def link(code: re.Match[str]) -> str:
            name = code[1]
            full = module.names.get(name)
            if full is None:  # a path, or a name that only one entry has
                candidates = self.files.get(name, set()) | self.called(name, module)
                full = next(iter(candidates)) if len(candidates) == 1 else name
            if full not in self.places or name in taken:
                return code[0]
            return f'<a href="{self.places[full]}">{code[0]}</a>'

        return CODE.sub(link, str(self.markdown.render(parts(docstring, taken))))

    def called(self, name: str, module: Module) -> set[str]:
        """The entries of a name: in the module's own package, or anywhere if the name is no plain word."""
        if not name.isidentifier() or (name.islower() and "_" not in name):
            return set()
        found = {full for full in self.entries if full.endswith(f".{name}")}
        package = f"grao_ref.{module.package}."
        return {full for full in found if full.startswith(package)} or found
