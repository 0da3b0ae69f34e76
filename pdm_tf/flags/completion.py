"""What shells are given so that they complete commands, methods and flags."""

import contextlib
import io
import re
from collections.abc import Callable, Mapping

_FLAG = re.compile(r"^  --([a-z0-9_]+)", re.MULTILINE)
_METHOD = re.compile(r"^  ([a-z0-9_]+)  +\S", re.MULTILINE)
_FIRST = "The first word is the "

Words = Mapping[str, tuple[str, ...]]  # what stands before -> what may come next

_BASH = """\
# eval "$(pdm-tf completion {shell})"
{setup}_pdm_tf() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" key="" words=""
  [[ "${{COMP_WORDS[1]}}" != -* && $COMP_CWORD -gt 1 ]] && key="${{COMP_WORDS[1]}}"
  local first="${{COMP_WORDS[2]}}"
  [[ -n "$key" && $COMP_CWORD -gt 2 && "$first" != -* ]] && key="$key $first"
  case "$key" in
{cases}
  esac
  if [[ "$current" == *[=/~]* || "${{COMP_WORDS[COMP_CWORD-1]}}" == "=" ]]; then
    COMPREPLY=($(compgen -f -- "${{current##*=}}"))
    compopt -o filenames 2>/dev/null
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [[ "${{COMPREPLY[0]}}" == *= ]] && compopt -o nospace 2>/dev/null
  fi
}}
complete -F _pdm_tf pdm-tf
"""
_ZSH = "autoload -Uz bashcompinit && bashcompinit\n"


def read_help(main: Callable[[list[str]], object], words: list[str]) -> str:
    """What a command line prints with `--help` behind it."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return text.getvalue()


def words_of(helps: Callable[[str], str], commands: tuple[str, ...]) -> Words:
    """Every command's methods and flags, as their help lists them.

    Args:
      helps: a command, or "COMMAND METHOD" -> its help.
      commands: names.
    """
    found: dict[str, tuple[str, ...]] = {"": commands}
    for name in commands:
        text = helps(name)
        flags = _flags_in(text)
        methods = tuple(_METHOD.findall(text)) if _FIRST in text else ()
        found[name] = (*methods, *flags)
        for method in methods:
            found[f"{name} {method}"] = _flags_in(helps(f"{name} {method}"))
    return found


def _flags_in(text: str) -> tuple[str, ...]:
    return tuple(f"--{flag}=" for flag in dict.fromkeys(_FLAG.findall(text)))


def script_of(shell: str, words: Words) -> str:
    """The script that a shell reads: "bash", "zsh" or "fish"."""
    if shell == "fish":
        return _fish(words)
    cases = "\n".join(
        f'    "{key}") words="{" ".join(choices)}" ;;' for key, choices in words.items()
    )
    setup = _ZSH if shell == "zsh" else ""
    return _BASH.format(shell=shell, setup=setup, cases=cases)


def _fish(words: Words) -> str:
    lines = ["# pdm-tf completion fish | source", "complete -c pdm-tf -f"]
    commands = words[""]
    some = f"not __fish_seen_subcommand_from {' '.join(commands)}"
    lines.append(f"complete -c pdm-tf -n '{some}' -a '{' '.join(commands)}'")
    for key, choices in words.items():
        if not key:
            continue
        seen = "; and ".join(f"__fish_seen_subcommand_from {w}" for w in key.split())
        plain = [word for word in choices if not word.startswith("--")]
        if plain:
            lines.append(f"complete -c pdm-tf -n '{seen}' -a '{' '.join(plain)}'")
        for flag in choices:
            if flag.startswith("--"):
                name = flag.strip("-=")
                lines.append(f"complete -c pdm-tf -n '{seen}' -l {name} -r -F")
    return "\n".join(lines) + "\n"
