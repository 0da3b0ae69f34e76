"""Commands whose first word is a method, and flags that were renamed."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pdm_tf import flags
from pdm_tf.config import InputError, option
from pdm_tf.errors import SettingError


@dataclass(frozen=True)
class Shared:
    """What all methods ask."""

    model: str = option("", "The model.", aliases=("run_dir", "savedmodel"))
    clip: bool = option(False, "Clip.", aliases=("clipped",))


@dataclass(frozen=True)
class Fast:
    """Goes quickly."""

    every: int = option(3, "How often.")


@dataclass(frozen=True)
class Slow:
    """Goes with care."""

    patience: float = option(1.5, "How long.", aliases=("waiting",))


METHODS = {"fast": Fast, "slow": Slow}


def parse(*words, **kwargs):
    return flags.parse_method(["program", *words], METHODS, Shared, **kwargs)


def refusal(*words, **kwargs):
    with pytest.raises(InputError) as caught:
        parse(*words, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["model", "run_dir", "savedmodel"])
def test_a_renamed_flag_works_under_every_name_it_had(name, tmp_path):
    (made,) = flags.parse(["program", f"--{name}=runs/x"], Shared)
    assert made == Shared(model="runs/x")
    file = tmp_path / "old.flags"
    file.write_text(f"--{name}=runs/y\n--noclipped\n--clipped\n")
    (made,) = flags.parse(["program", f"--flagfile={file}"], Shared)
    assert made == Shared(model="runs/y", clip=True)


def test_the_last_of_two_names_wins():
    (made,) = flags.parse(["program", "--model=a", "--run_dir=b"], Shared)
    assert made.model == "b"


def test_a_wrong_value_under_an_old_name_is_refused_by_its_new_one():
    assert refusal("slow", "--waiting=long") == "--patience=long: give a number"


def test_the_first_word_is_the_method():
    assert parse("fast", "--every=5") == ("fast", [Shared(), Fast(5)])
    assert parse("slow", "--model=m") == ("slow", [Shared("m"), Slow()])


def test_several_classes_and_the_path_of_a_module_may_be_a_methods_own(
    tmp_path, monkeypatch
):
    (tmp_path / "light_method.py").write_text(
        "from pdm_tf.config import PrepareConfig as Config\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    methods = {"both": (Fast, Slow), "light": "light_method"}
    words = ["program", "both", "--every=1", "--patience=2"]
    _, made = flags.parse_method(words, methods, Shared)
    assert made == [Shared(), Fast(1), Slow(2.0)]
    _, (_, light) = flags.parse_method(["p", "light", "--out=x"], methods, Shared)
    assert light.out == "x"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["the task is missing", "fast, slow"]),
        (["--model=m"], ["the task is missing", "fast, slow"]),
        (["fsat"], ["task 'fsat'", "did you mean fast?", "fast, slow"]),
        (["xyz"], ["task 'xyz'", "choose from fast, slow"]),
        (["fast", "--patience=1"], ["--patience", "slow", "not of fast"]),
        (["fast", "--waiting=1"], ["--waiting", "slow", "not of fast"]),
        (["fast", "--evry=1"], ["--evry", "did you mean --every?"]),
        (["fast", "slow"], ["'slow'", "--name=value"]),
    ],
)
def test_a_mistake_gets_one_line(words, expected):
    text = refusal(*words, kind="task")
    assert all(part in text for part in expected), text


def test_flags_that_once_chose_the_method_still_do(tmp_path):
    before = {"formerly": {"--careful": "slow"}, "default": "fast"}
    assert parse("--careful", "--patience=2", **before)[0] == "slow"
    assert parse("--careful=true", **before) == ("slow", [Shared(), Slow()])
    assert parse("--every=2", **before) == ("fast", [Shared(), Fast(2)])
    assert parse(**before) == ("fast", [Shared(), Fast()])
    file = tmp_path / "old.flags"
    file.write_text("# before\n--careful\n--patience=4\n")
    found = parse(f"--flagfile={file}", "--run_dir=r", **before)
    assert found == ("slow", [Shared("r"), Slow(4.0)])
    assert "nowhere" in refusal("--flagfile=nowhere", **before)


def test_help_lists_methods_and_a_methods_help_its_flags(capsys):
    for words, there, absent in (
        (["--help"], ["fast  Goes quickly.", "slow", "--model"], ["--every"]),
        (["fast", "--help"], ["--every=3", "--model"], ["--patience"]),
        (["slow", "-h"], ["--patience=1.5", "--model"], ["--waiting", "--run_dir"]),
    ):
        with pytest.raises(SystemExit) as ended:
            parse(*words, description="What it does.")
        assert not ended.value.code
        text = capsys.readouterr().out
        assert text.startswith("What it does.")
        assert all(part in text for part in there)
        assert not any(part in text for part in absent)


def test_a_setting_that_an_error_names_gets_its_dashes(capsys):
    for error, line in (
        (SettingError("steps", 0, "give 1"), "error: --steps=0: give 1\n"),
        (InputError("no such file"), "error: no such file\n"),
    ):

        def main(argv, error=error):
            raise error

        with pytest.raises(SystemExit) as ended:
            flags.run(main, ["program"])
        assert ended.value.code == 2
        assert capsys.readouterr().err == line


def test_a_package_that_is_not_installed_is_named_with_its_extra(capsys):
    def main(argv):
        raise ModuleNotFoundError("No module", name=argv[1])

    with pytest.raises(SystemExit) as ended:
        flags.run(main, ["program", "skimage.metrics"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: scikit-image is not installed; pip install")
    assert "pdm_tf[photos]" in said and said.count("\n") == 1
    with pytest.raises(ModuleNotFoundError):  # what everybody needs is our own fault
        flags.run(main, ["program", "tensorflow"])


def test_reading_flags_loads_nothing_heavy():
    probe = "import sys, pdm_tf.flags; print('tensorflow' in sys.modules)"
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=root, capture_output=True, text=True
    )
    assert done.stdout == "False\n"
