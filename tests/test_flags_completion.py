"""What shells complete is what commands take."""

import shutil
import subprocess
from contextlib import redirect_stdout
from io import StringIO

import pytest

from pdm_tf.commands import commands, completion
from pdm_tf.flags.completion import words_of

HELPS = {
    "draw": "Draws.\n\n  --size=3\n      How large.\n  --out=\n      Where to.\n",
    "guide": "The first word is the method; with --help:\n\n  apg  A.\n  cfg  B.\n",
    "guide apg": "  --norm=2\n      It.\n",
    "guide cfg": "",
}


@pytest.fixture(scope="module")
def scripts():
    return {shell: printed(shell) for shell in ("bash", "zsh", "fish")}


def printed(shell):
    with redirect_stdout(StringIO()) as text:
        completion.main(["pdm-tf completion", shell])
    return text.getvalue()


def test_words_are_those_of_the_help():
    assert words_of(HELPS.__getitem__, ("draw", "guide")) == {
        "": ("draw", "guide"),
        "draw": ("--size=", "--out="),
        "guide": ("apg", "cfg"),
        "guide apg": ("--norm=",),
        "guide cfg": (),
    }


def completed(script, *words):
    """What bash offers for the last of some words."""
    line = " ".join(f"'{word}'" for word in ("pdm-tf", *words))
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _pdm_tf; "
    done = subprocess.run(
        ["bash", "-c", script + ask + 'printf "%s\\n" "${COMPREPLY[@]}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_commands_methods_flags_and_files(scripts, tmp_path):
    script = scripts["bash"]
    assert completed(script, "") == list(commands())
    assert completed(script, "guidance", "a") == ["apg", "autoguidance"]
    assert completed(script, "guidance", "apg", "--nor") == ["--norm="]
    assert completed(script, "sample", "--guidance_") == ["--guidance_each="]
    (tmp_path / "mine.flags").touch()
    given = f"--flagfile={tmp_path}/mi"
    assert completed(script, "train", given) == [f"{tmp_path}/mine.flags"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_every_command_and_method(scripts, shell):
    for word in (*commands(), "autoguidance", "q_diffusion", "learning_rate"):
        assert word in scripts[shell]
