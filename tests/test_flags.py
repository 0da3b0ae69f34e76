"""Settings survive the command line and flagfiles; mistakes get one helpful line."""

import dataclasses
import inspect
import subprocess
import sys
import typing
from dataclasses import replace
from pathlib import Path

import pytest

from pdm_tf import config as settings
from pdm_tf import flags
from pdm_tf.config import Config, InputError
from pdm_tf.errors import as_text
from pdm_tf.networks import shapes

ROOT = Path(__file__).resolve().parent.parent
FLAGFILES = sorted((ROOT / "configs").glob("*.flags"))
ROOMS = [type(field.default) for field in dataclasses.fields(Config)]
COMMANDS = [
    cls
    for name, cls in vars(settings).items()
    if inspect.isclass(cls) and name.endswith("Config") and cls not in (Config, *ROOMS)
]


def parse(*words, cls=Config):
    (made,) = flags.parse(["program", *words], cls)
    return made


def other(annotation, default):
    """A value of the same kind that is not the default."""
    kind = typing.get_origin(annotation)
    if kind is typing.Literal:
        return next(c for c in typing.get_args(annotation) if c != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 7
    if isinstance(default, float):
        return default / 3 + 1e-7  # more digits than a short form would keep
    if isinstance(default, str):
        return f"{default}/with a space, comma, # and = 'quote'"
    members = typing.get_args(annotation)
    if default is None:  # left out: a number of the program's own
        return 0.125 if float in members or annotation is float else 7
    if kind is not tuple:  # a union: its first member, the tuple
        members = typing.get_args(members[0])
    made = {int: (5, 6, 7), str: ("two words", "and 2.5", "#")}
    return made.get(members[0], (1.5, 1 / 3, 1e-7, 123456789.0))


def changed(cls):
    """A room with every field changed."""
    kinds = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)
    return cls(**{f.name: other(kinds[f.name], f.default) for f in fields})


def everything_changed():
    rooms = dataclasses.fields(Config)
    return Config(**{room.name: changed(type(room.default)) for room in rooms})


def refusal(*words, cls=Config):
    with pytest.raises(InputError) as caught:
        parse(*words, cls=cls)
    text = str(caught.value)
    assert "\n" not in text
    return text


def written(tmp_path, text, name="some.flags"):
    path = tmp_path / name
    path.write_text(text)
    return f"--flagfile={path}"


# --- there and back -------------------------------------------------------------------


def test_no_words_give_the_defaults():
    assert parse() == Config()
    for cls in COMMANDS:
        assert parse(cls=cls) == cls()


def test_every_field_survives_a_flagfile(tmp_path):
    config = everything_changed()
    for room in dataclasses.fields(Config):  # really every field was changed
        mine, usual = getattr(config, room.name), room.default
        for field in dataclasses.fields(usual):
            assert getattr(mine, field.name) != getattr(usual, field.name)
    text = flags.to_flagfile(config, "a header\nof two lines")
    assert text.startswith("# a header\n# of two lines\n")
    assert "\n--horizontal_flip=true\n" in text
    assert parse(written(tmp_path, text)) == config
    assert parse(written(tmp_path, flags.to_flagfile(Config()))) == Config()


def test_every_field_survives_the_command_line():
    config = everything_changed()
    words = flags.to_flagfile(config).splitlines()
    words = [word for word in words if word.startswith("--")]
    assert parse(*words) == config


@pytest.mark.parametrize("cls", COMMANDS)
def test_every_field_of_a_command_survives_too(cls):
    made = changed(cls)
    words = [
        f"--{field.name}={as_text(getattr(made, field.name))}"
        for field in dataclasses.fields(cls)
    ]
    assert parse(*words, cls=cls) == made


def test_written_twice_is_written_once(tmp_path):
    text = flags.to_flagfile(everything_changed())
    again = flags.to_flagfile(parse(written(tmp_path, text)))
    assert again == text


@pytest.mark.parametrize("value", [(), (1,), (16, 8), (1, 2, 3, 4, 5)])
def test_tuples_of_any_length(value):
    text = ",".join(map(str, value))
    assert parse(f"--attention_resolutions={text}").network == replace(
        Config().network, attention_resolutions=value
    )


def test_one_number_of_blocks_means_the_same_in_either_form():
    one = parse("--blocks_per_level=3").network
    assert shapes.blocks_of_levels(one) == shapes.blocks_of_levels(
        replace(one, blocks_per_level=3)
    )
    whole = replace(Config(), network=replace(one, blocks_per_level=3))
    assert "--blocks_per_level=3\n" in flags.to_flagfile(whole)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("--horizontal_flip", True),
        ("--nohorizontal_flip", False),
        ("--horizontal_flip=true", True),
        ("--horizontal_flip=false", False),
    ],
)
def test_ways_to_say_yes_and_no(word, value):
    assert parse(word).data.horizontal_flip is value


# --- order ----------------------------------------------------------------------------


def test_what_comes_later_wins(tmp_path):
    first = written(tmp_path, "--width=96\n--batch_size=8\n", "first.flags")
    second = written(tmp_path, "--width=128\n", "second.flags")
    assert parse(first, "--width=32").network.width == 32
    assert parse("--width=32", first).network.width == 96
    assert parse(first, second).network.width == 128
    assert parse(second, first).network.width == 96
    assert parse(first, second).training.batch_size == 8


def test_a_later_tuple_replaces_and_does_not_lengthen(tmp_path):
    file = written(tmp_path, "--channel_multipliers=1,2,4\n")
    made = parse(file, "--channel_multipliers=1,1.5")
    assert made.network.channel_multipliers == (1.0, 1.5)


def test_flagfiles_may_include_others_and_hold_comments(tmp_path):
    inner = written(tmp_path, "--width=96\n# a comment\n\n--seed=3\n", "inner.flags")
    outer = written(tmp_path, f"// another\n{inner}\n--seed=4\n", "outer.flags")
    made = parse(outer)
    assert (made.network.width, made.training.seed) == (96, 4)


def test_reading_twice_leaves_nothing_behind():
    assert parse("--width=96").network.width == 96
    assert parse() == Config()


# --- mistakes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--withd=8", "--width"),
        ("--batchsize=8", "--batch_size"),
        ("--patchsize=8", "--patch_size"),
        ("--learningrate=1", "--learning_rate"),
    ],
)
def test_an_unknown_flag_is_named_with_its_nearest(word, meant):
    text = refusal(word)
    assert word.split("=")[0] in text and f"did you mean {meant}?" in text


def test_a_flag_that_is_near_to_none_is_sent_to_help():
    assert "--help" in refusal("--xyzzyx=1")


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("width", "abc", "whole number"),
        ("width", "1.5", "whole number"),
        ("width", "", "whole number"),
        ("learning_rate", "fast", "number"),
        ("beta_end", "0,02", "number"),
        ("horizontal_flip", "maybe", "true"),
        ("prediction", "y", "x, eps, v"),
        ("precision", "float16", "mixed_bfloat16"),
        ("image_shape", "32x32", "commas"),
        ("image_shape", "32,a,1", "whole numbers"),
        ("attention_resolutions", "16,8.5", "whole numbers"),
        ("channel_multipliers", "1,two", "numbers"),
    ],
)
def test_a_wrong_value_is_named_with_its_flag_and_a_remedy(name, value, remedy):
    text = refusal(f"--{name}={value}")
    assert f"--{name}={value}" in text
    assert remedy in text.replace(f"--{name}={value}", "")
    assert "invalid literal" not in text and "could not convert" not in text


@pytest.mark.parametrize("words", [["width=8"], ["runs/x"], ["--width=8", "extra"]])
def test_stray_words_are_refused(words, tmp_path):
    text = refusal(*words)
    assert repr(words[-1]) in text and "--name=value" in text
    assert words[-1] in refusal(written(tmp_path, "\n".join(words)))


def test_a_missing_flagfile_is_named(tmp_path):
    text = refusal(f"--flagfile={tmp_path}/nowhere.flags")
    assert text.startswith("--flagfile: ") and "nowhere.flags" in text
    assert "Errno" not in text


def test_a_flag_without_its_value_is_named():
    assert "width" in refusal("--width")


@pytest.mark.parametrize("script", ["train.py", "sample.py"])
@pytest.mark.parametrize("words", [["--withd=8"], ["--seed=x"], ["stray"]])
def test_scripts_answer_mistakes_with_one_line_and_code_2(script, words):
    done = subprocess.run(
        [sys.executable, script, *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


# --- help and files -------------------------------------------------------------------


def test_help_names_every_flag_with_its_default_and_choices(capsys):
    for cls in (Config, *COMMANDS):
        with pytest.raises(SystemExit) as ended:
            parse("--help", cls=cls)
        assert not ended.value.code
        text = capsys.readouterr().out
        for room in ROOMS if cls is Config else [cls]:
            for field in dataclasses.fields(room):
                default = "" if field.default is None else as_text(field.default)
                assert f"--{field.name}={default}" in text
                assert field.metadata["help"].split()[0] in text
    assert "<x|eps|v>" not in text  # the last command has no such choice


def test_every_setting_has_a_sentence_and_a_name_of_its_own():
    names = [field.name for room in ROOMS for field in dataclasses.fields(room)]
    assert len(names) == len(set(names))
    for cls in (*ROOMS, *COMMANDS):
        assert cls.__doc__ and not cls.__doc__.startswith(cls.__name__)
        for field in dataclasses.fields(cls):
            assert field.metadata["help"].endswith((".", "help"))


@pytest.mark.parametrize("path", FLAGFILES, ids=lambda path: path.stem)
def test_a_flagfile_of_ours_parses_and_its_network_can_be_built(path):
    config = parse(f"--flagfile={path}")
    assert config != Config()
    network = config.network
    height, width = shapes.grid_shape(network)
    shape = (height * network.patch_size, width * network.patch_size)
    assert shape == tuple(network.image_shape[:2])
    levels = len(network.channel_multipliers)
    assert len(shapes.channels_of_levels(network)) == levels
    assert len(shapes.blocks_of_levels(network)) == levels
    heights = [height >> level for level in range(levels)]
    assert set(network.attention_resolutions) & set(heights)
    assert parse(f"--flagfile={path}") == config


def test_there_are_flagfiles():
    assert {"mnist", "photos"} <= {path.stem for path in FLAGFILES}


# --- bounds ---------------------------------------------------------------------------


def numbers(cls):
    """Fields that hold floats, alone or several."""
    kinds = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if "float" in str(kinds[field.name]):
            yield field


@pytest.mark.parametrize("cls", [*ROOMS, *COMMANDS], ids=lambda cls: cls.__name__)
def test_numbers_must_be_finite_and_within_their_bounds_in_every_command(cls):
    for field in numbers(cls):
        for value in ("nan", "inf", "-inf", "1e400"):
            assert f"--{field.name}=" in refusal(f"--{field.name}={value}", cls=cls)
        for end, beyond in (("low", -0.001), ("high", 0.001)):
            bound = field.metadata[end]
            if bound is not None:
                text = refusal(f"--{field.name}={bound + beyond}", cls=cls)
                assert f"{bound:g}" in text.partition(": ")[2]


def test_guidance_strengths_and_shares_have_bounds_wherever_they_are():
    named = ("guidance", "strength", "percentile", "dropout", "decay", "beta", "rate")
    for cls in (*ROOMS, *COMMANDS):
        for field in numbers(cls):
            if any(part in field.name for part in named):
                assert field.metadata["low"] is not None, (cls, field.name)


@pytest.mark.parametrize("value", ["9223372036854775808", "-1" + "0" * 500, "1" * 5000])
def test_whole_numbers_fit_an_integer(value):
    assert "--save_every=" in refusal(f"--save_every={value}")
