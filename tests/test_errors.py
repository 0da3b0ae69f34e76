"""Errors: one line, the setting's name without dashes but on a command line."""

import copy
import pickle

import pytest

import pdm_tf as pdm
from pdm_tf import flags
from pdm_tf.errors import InputError, MissingSetting, SettingError


def line_of(error):
    """What a script prints that raises this error, and its exit code."""

    def main(argv):
        raise error

    with pytest.raises(SystemExit) as end:
        flags.run(main)
    return end.value.code


def test_its_text_is_setting_value_remedy():
    error = SettingError("width", 0, "at least 1 is needed")
    assert str(error) == "width=0: at least 1 is needed"
    assert (error.setting, error.value) == ("width", 0)
    assert error.remedy == "at least 1 is needed"
    assert isinstance(error, InputError) and isinstance(error, ValueError)


def test_the_command_line_alone_writes_dashes(capsys):
    remedy = "no;\n lower `width` or set `remat=true`, not `A-B`"
    assert line_of(SettingError("width", 4, remedy)) == 2
    said = "error: --width=4: no; lower --width or set --remat=true, not `A-B`\n"
    assert capsys.readouterr().err == said
    assert "lower `width` or" in str(SettingError("width", 4, remedy))


def test_an_error_without_a_setting_is_printed_as_it_is(capsys):
    assert line_of(InputError("a.png: no\npicture")) == 2
    assert capsys.readouterr().err == "error: a.png: no picture\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((32, 32, 3), "width=32,32,3: no"),
        ([1.0, 0.5], "width=1,0.5: no"),
        ((), "width=: no"),
        (True, "width=true: no"),
        (2.0, "width=2.0: no"),
        ("", "width=: no"),
        (None, "width: no"),
    ],
)
def test_a_value_stands_as_a_command_line_takes_it(value, text):
    assert str(SettingError("width", value, "no")) == text


def test_settings_that_are_wrong_together_are_all_named():
    error = SettingError("low", 1.5, "nothing between", high=2)
    assert str(error) == "low=1.5 high=2: nothing between"
    assert error.text("--") == "--low=1.5 --high=2: nothing between"
    assert str(error.named("snr")) == "snr=1.5 high=2: nothing between"


def test_another_name_changes_the_remedy_too_and_nothing_else():
    error = SettingError(
        "dataset", "x", "give `dataset=mnist`, or `dataset_2`, dataset"
    )
    other = error.named("reference")
    expected = "reference=x: give `reference=mnist`, or `dataset_2`, dataset"
    assert str(other) == expected and type(other) is SettingError
    assert str(other.named("dataset")) == str(error)


def test_a_setting_may_be_missing():
    error = MissingSetting("out", "name a file: `out=a.png`")
    assert error.text("--") == "--out is missing: name a file: --out=a.png"
    assert str(error.named("to")) == "to is missing: name a file: `to=a.png`"
    assert isinstance(error.named("to"), MissingSetting)


def test_it_is_passed_between_processes():
    error = SettingError("low", (1, 2), "nothing between", high=2)
    missing = pickle.loads(pickle.dumps(MissingSetting("out", "name one")))
    assert str(missing) == "out is missing: name one"
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert str(other) == str(error) and other.others == {"high": 2}


def test_every_home_of_the_class_is_the_same():
    from pdm_tf import config

    assert config.InputError is pdm.InputError is InputError
    assert pdm.SettingError is SettingError
