"""Every command in the documents is read by the parser that its reader will meet."""

import argparse
import importlib
import importlib.util
import re
import runpy
import shlex
import sys
import tomllib

import pytest
from documented import PAGES, ROOT, SCRIPTS, commands_of

from pdm_tf import commands, flags

PLACEHOLDERS = re.compile(r"…|\b(METHOD|TASK|COMMAND|ROOM)\b")


class Parsed(Exception):
    """The flags were read; nothing further is to happen."""


FOUND = sorted(
    {
        (page.name, line)
        for page in PAGES
        for line in commands_of(page.read_text())
        if not PLACEHOLDERS.search(line)
    }
)


def test_there_are_commands_in_the_first_screen():
    first = (ROOT / "README.md").read_text()[:2500]
    assert "https://arxiv.org/abs/2207.04316" in first and "git clone ADDRESS" in first
    assert "make quick" in commands_of(first) and ".venv/bin/activate" in first
    assert len(FOUND) > 50


@pytest.fixture
def stopped(monkeypatch):
    """Parsers that parse as they do, and then go no further."""

    def stopping(parse):
        def parse_and_stop(*words, **named):
            parse(*words, **named)
            raise Parsed

        return parse_and_stop

    for holder, name in (
        (flags, "parse"),
        (flags, "parse_method"),
        (argparse.ArgumentParser, "parse_args"),
    ):
        monkeypatch.setattr(holder, name, stopping(getattr(holder, name)))
    monkeypatch.chdir(ROOT)


def _with_a_file(word: str) -> str:
    """A flagfile that is there, in the place of one that a reader would have."""
    flag, _, path = word.partition("=")
    missing = flag == "--flagfile" and not (ROOT / path).is_file()
    return (
        "--flagfile=configs/mnist.flags" if missing and path[:8] != "configs/" else word
    )


def parse(words: list[str], monkeypatch) -> None:
    """Has a command line read by the program that it names."""
    words = [_with_a_file(word) for word in words]
    if "|" in words:  # what reads its answer is no matter of ours
        words = words[: words.index("|")]
    program, *rest = words
    if program == "pdm-tf":
        commands.main(words)
    elif rest[:1] == ["-m"] and not rest[2:]:  # named in a sentence, not called
        assert importlib.util.find_spec(rest[1])
        raise Parsed
    elif rest[:1] == ["-m"] and rest[1].startswith("pdm_tf"):
        commands.main(["pdm-tf", *rest[1].split(".")[1:2], *rest[2:]])
    elif rest[:1] == ["-m"]:
        package = (ROOT / rest[1].replace(".", "/")).is_dir()
        name = f"{rest[1]}.__main__" if package else rest[1]
        importlib.import_module(name).main(rest[2:])
    elif rest and rest[0] in SCRIPTS:
        commands.main(["pdm-tf", SCRIPTS[rest[0]], *rest[1:]])
    elif rest:
        monkeypatch.setattr(sys, "argv", rest)
        runpy.run_path(rest[0], run_name="__main__")


@pytest.mark.parametrize(("page", "line"), FOUND)
def test_a_command_is_read_by_its_parser(page, line, stopped, monkeypatch):
    words = shlex.split(re.sub(r" \[(--\S+)\]", r" \1", line))  # what may be left out
    if words[0] == "make":
        targets = re.findall(
            r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE
        )
        assert set(words[1:]) <= set(targets)
    elif words[0] == "pip":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        (extras,) = re.findall(r"\[(.*)\]", line) or [""]
        asked = set(filter(None, extras.split(",")))
        assert asked <= set(project["optional-dependencies"])
    elif len(words) > 1 and "--help" not in words:
        with pytest.raises(Parsed):
            parse(words, monkeypatch)


def test_a_wrong_flag_would_be_found(stopped, monkeypatch):
    wrong = ["pdm-tf", "evaluation", "metrics", "--sample=mnist"]
    with pytest.raises(flags.UnknownFlagError, match="did you mean --samples"):
        parse(wrong, monkeypatch)
