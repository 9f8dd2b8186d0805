"""`mpfhandler completion`: a script that teaches a shell the commands, their options, and what the options' values may be.

Made of the parser, so it knows whatever this version takes. What a value is, its name in the help tells: `LOG` and `FILE` are
files, `DIR` a folder, `UNIT` and `METHOD` are those of the handler, and `block|drop` is one of these words.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from .arguments import add_command
from .outline import Entry, Page, pages, program_options

__all__ = ["SHELLS", "register"]

_WORDS = {
    "UNIT": ("S", "M", "H", "D", "midnight", "W0", "W1", "W2", "W3", "W4", "W5", "W6", "MONTH"),
    "METHOD": ("gz", "zst", "xz", "bz2"),
}
_FILES, _FOLDERS = {"LOG", "FILE"}, {"DIR", "FOLDER"}

_DESCRIPTION = """\
Prints a script for the shell SHELL that completes commands, options, their values,
and the names of logs.
"""
_EPILOG = """\
examples:
  mpfhandler completion bash > ~/.local/share/bash-completion/completions/mpfhandler
  mpfhandler completion zsh > "${fpath[1]}/_mpfhandler"
  mpfhandler completion fish > ~/.config/fish/completions/mpfhandler.fish

in this shell only:
  eval "$(mpfhandler completion bash)"

exit codes: 0 done; 2 wrong usage; 141 the reader of the output has gone away.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "completion", _DESCRIPTION, _EPILOG)
    parser.add_argument("shell", metavar="SHELL", choices=tuple(SHELLS), help="bash, zsh or fish")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    print(SHELLS[arguments.shell](pages()))
    return 0


def _words(entry: Entry) -> tuple[str, ...]:
    named = tuple(entry.value.split("|")) if "|" in entry.value else ()
    return entry.choices or _WORDS.get(entry.value, named)


def _kind(entry: Entry) -> str:
    """What its value is: "words", "files", "folders", or "" for what nobody can know."""
    if _words(entry):
        return "words"
    return "files" if entry.value in _FILES else "folders" if entry.value in _FOLDERS else ""


# --- bash -------------------------------------------------------------------------------------------------------------

_BASH = """\
# Completes mpfhandler in bash. Made by: mpfhandler completion bash
_mpfhandler() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} kind= words= options= dashes= IFS=$' \\t\\n'
    COMPREPLY=()
    if [[ $current == = ]]; then  # --option=, which bash has taken apart
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if ((COMP_CWORD == 1)); then
        words='%(commands)s'
        [[ $current == -* ]] && words='%(options)s'
        COMPREPLY=($(compgen -W "$words" -- "$current"))
        return
    fi
    local place
    for ((place = 2; place < COMP_CWORD; place++)); do
        [[ ${COMP_WORDS[place]} == -- ]] && dashes=1
    done
    case ${COMP_WORDS[1]} in
%(cases)s
    esac
    if [[ $current == -* && -z $dashes ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
        return
    fi
    case "${COMP_WORDS[1]} $previous" in
%(values)s
    esac
    IFS=$'\\n'
    case $kind in
        words) IFS=$' \\n' COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
        files) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")) ;;
        folders) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$current")) ;;
    esac
}
complete -F _mpfhandler mpfhandler"""


def bash(found: list[Page]) -> str:
    """For bash 3.2 and newer."""
    cases = [f"        {page.name}) options='{' '.join(_flags(page))}'{_bash_value(_place(page))} ;;" for page in found]
    values = [
        f"        {'|'.join(_quoted(f'{page.name} {flag}') for flag in entry.flags)}){_bash_value(entry)} ;;"
        for page in found
        for entry in page.options
        if entry.value
    ]
    own = " ".join(flag for entry in program_options() for flag in entry.flags)
    commands = " ".join(page.name for page in found)
    return _BASH % {"commands": commands, "options": own, "cases": "\n".join(cases), "values": "\n".join(values)}


def _bash_value(entry: Entry | None) -> str:
    if entry is None:
        return " kind="
    kind = _kind(entry)
    return f" kind=words words='{' '.join(_words(entry))}'" if kind == "words" else f" kind={kind}"


def _flags(page: Page) -> list[str]:
    return [flag for entry in page.options for flag in entry.flags]


def _place(page: Page) -> Entry | None:
    """What an argument without a flag is: the first one, as no command has two kinds of them."""
    return next(iter(page.positionals), None)


# --- zsh --------------------------------------------------------------------------------------------------------------

_ZSH = """\
#compdef mpfhandler
# Completes mpfhandler in zsh. Made by: mpfhandler completion zsh
_mpfhandler() {
    local -a commands=(
%(commands)s
    )
    if ((CURRENT == 2)); then
        if [[ $PREFIX == -* ]]; then
            _arguments %(options)s
        else
            _describe -t commands command commands
        fi
        return
    fi
    shift words
    ((CURRENT--))
    case $words[1] in
%(cases)s
    esac
}
if [[ $funcstack[1] == _mpfhandler ]]; then
    _mpfhandler "$@"
else
    compdef _mpfhandler mpfhandler
fi"""
_ZSH_ACTIONS = {"files": "_files", "folders": "_files -/", "": " "}


def zsh(found: list[Page]) -> str:
    """For zsh 5 and newer, in a file of `fpath` or evaluated after `compinit`."""
    commands = "\n".join(f"        {_quoted(f'{page.name}:{page.help}')}" for page in found)
    cases = (f"        {page.name}) _arguments {' '.join(_zsh_specs(page))} ;;" for page in found)
    return _ZSH % {"commands": commands, "options": " ".join(_zsh_flags(program_options())), "cases": "\n".join(cases)}


def _zsh_flags(options: list[Entry]) -> Iterator[str]:
    for entry in options:
        others = f"({' '.join(entry.flags)})" if len(entry.flags) > 1 else ""
        for flag in entry.flags:
            equals = "=" if entry.value and flag.startswith("--") else ""
            yield _quoted(f"{others}{flag}{equals}[{_zsh_text(entry.help)}]{_zsh_value(entry) if entry.value else ''}")


def _zsh_specs(page: Page) -> Iterator[str]:
    yield from _zsh_flags(page.options)
    for entry in page.positionals:
        yield _quoted(f"{'*' if entry.repeated else ''}{':' if entry.optional and not entry.repeated else ''}{_zsh_value(entry)}")


def _zsh_value(entry: Entry) -> str:
    kind = _kind(entry)
    action = f"({' '.join(_words(entry))})" if kind == "words" else _ZSH_ACTIONS[kind]
    return f":{_zsh_text(entry.value)}:{action}"


def _zsh_text(text: str) -> str:
    return "".join(f"\\{one}" if one in "\\[]:" else one for one in text)


# --- fish -------------------------------------------------------------------------------------------------------------


def fish(found: list[Page]) -> str:
    """For fish 3 and newer."""
    return "\n".join(["# Completes mpfhandler in fish. Made by: mpfhandler completion fish", *_fish_lines(found)])


def _fish_lines(found: list[Page]) -> Iterator[str]:
    yield "complete -c mpfhandler -f"
    for page in found:
        yield f"complete -c mpfhandler -n __fish_use_subcommand -a {page.name} -d {_quoted(page.help)}"
    for entry in program_options():
        yield f"complete -c mpfhandler -n __fish_use_subcommand {_fish_flags(entry)} -d {_quoted(entry.help)}"
    for page in found:
        start = f"complete -c mpfhandler -n '__fish_seen_subcommand_from {page.name}'"
        for entry in page.options:
            yield f"{start} {_fish_flags(entry)}{_fish_value(entry) if entry.value else ''} -d {_quoted(entry.help)}"
        place = _place(page)
        if place is not None and _kind(place):
            yield f"{start}{_fish_value(place).replace(' -x', '').replace(' -r', '')}"


def _fish_flags(entry: Entry) -> str:
    return " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in entry.flags)


def _fish_value(entry: Entry) -> str:
    kind = _kind(entry)
    if kind == "words":
        return f" -x -a {_quoted(' '.join(_words(entry)))}"
    return {"files": " -r -F", "folders": " -x -a '(__fish_complete_directories)'", "": " -x"}[kind]


def _quoted(text: str) -> str:
    """For any of the three, as one word; an apostrophe ends and begins the quotes anew."""
    return "'" + text.replace("'", "'\\''") + "'"


SHELLS: dict[str, Callable[[list[Page]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
