"""The reference of the command line as Markdown, made of the parser.

python -m mpfhandler._faces.reference > docs/reference/command-line.md
"""

from __future__ import annotations

from collections.abc import Iterator

from .outline import Entry, Page, pages

__all__ = ["reference"]

_HEAD = """\
# The command line

<!-- Made by: python -m mpfhandler._faces.reference > docs/reference/command-line.md -->

`mpfhandler COMMAND …`, or `python -m mpfhandler COMMAND …`. With the extra `cli` a terminal shows colours, drawn tables and
rich's progress bars, unless `NO_COLOR` is set or `TERM` is `dumb`; what goes into a pipe or a file is plain.
`mpfhandler --version` prints the version, `mpfhandler COMMAND --help` what stands here.

Exit codes of every command: 0 done; 1 the command says no, each tells what that means; 2 wrong usage, or it could not start;
130 interrupted; 141 the reader of the output has gone away.
"""


def reference() -> str:
    """The whole page, ending with a line feed."""
    found = pages()
    overview = [f"- [`{page.name}`](#mpfhandler-{page.name}): {page.help}" for page in found]
    return "\n\n".join([_HEAD + "\n" + "\n".join(overview), *("\n\n".join(_section(page)) for page in found)]) + "\n"


def _section(page: Page) -> Iterator[str]:
    yield f"## mpfhandler {page.name}"
    yield f"```text\n{synopsis(page)}\n```"
    yield from map(_paragraph, filter(None, page.description.split("\n\n")))
    for group in page.groups:
        yield f"**{group.title}**"
        yield "\n".join(map(_item, group.entries))
    if page.epilog:
        yield f"```text\n{page.epilog}\n```"


def _paragraph(text: str) -> str:
    """One with indented lines is kept as it is drawn."""
    return f"```text\n{text}\n```" if "\n  " in text else text


def synopsis(page: Page) -> str:
    """How the command is called, in one line."""
    places = [f"{entry.value}{' …' if entry.repeated else ''}" for entry in page.positionals]
    marked = [f"[{text}]" if entry.optional else text for text, entry in zip(places, page.positionals, strict=True)]
    return " ".join(["mpfhandler", page.name, "[OPTION …]", *marked])


def _item(entry: Entry) -> str:
    value = f" {entry.value}" if entry.value else ""
    names = ", ".join(f"`{flag}{value}`" for flag in entry.flags) or f"`{entry.value}`"
    choices = f" One of {', '.join(f'`{one}`' for one in entry.choices)}." if entry.choices else ""
    return f"- {names}: {entry.help}{'.' if choices and entry.help else ''}{choices}".rstrip(": ")


if __name__ == "__main__":
    print(reference(), end="")
