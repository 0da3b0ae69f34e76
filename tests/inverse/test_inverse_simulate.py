"""python -m pdm_tf.inverse simulate: a picture in, a measurement out."""

import sys

import numpy as np
import pytest
from PIL import Image

from pdm_tf import flags
from pdm_tf.config.inverse import ProblemConfig
from pdm_tf.data.images import save_png, to_float
from pdm_tf.errors import InputError
from pdm_tf.inverse.__main__ import main
from pdm_tf.inverse.measurements import read_measurement
from pdm_tf.inverse.operators import open_operator

SHAPE = (16, 24, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A picture, a grey one, a mask, one that hides everything; as the place to be."""
    rng = np.random.default_rng(0)
    save_png(tmp_path / "photo.png", rng.integers(0, 256, SHAPE, np.uint8))
    save_png(tmp_path / "grey.png", rng.integers(0, 256, (8, 8, 1), np.uint8))
    mask = np.zeros((16, 24, 1), np.uint8)
    mask[:8] = 255
    save_png(tmp_path / "mask.png", mask)
    save_png(tmp_path / "white.png", np.full_like(mask, 255))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arguments(**changes):
    given = {"operator": "box:0.5", "image": "photo.png", "out": "out", **changes}
    return ["prog", "simulate", *(f"--{n}={v}" for n, v in given.items() if v)]


def test_what_is_measured_is_written_and_read_again(folder):
    main(arguments(operator="grayscale+inpaint:mask.png", sigma=0.1, operator_seed=4))
    names = ["manifest.json", "measurement.npz", "measurement.png", "truth.png"]
    out = folder / "out"
    assert sorted(p.name for p in out.iterdir() if p.name[0] != ".") == names
    truth = np.asarray(Image.open(out / "truth.png"))
    operator = open_operator("grayscale+inpaint:mask.png", SHAPE, 4, 0.1)
    wanted = operator.measure(to_float(truth[None]), [4])
    found = read_measurement("out/measurement.npz", ProblemConfig(), SHAPE)
    np.testing.assert_array_equal(found.y, wanted)
    assert found.operator.sigma == 0.1
    shown = np.asarray(Image.open(out / "measurement.png"))
    assert (shown[:8] == 128).all() and shown[8:].std() > 1
    main(arguments(operator="grayscale+inpaint:mask.png", sigma=0.1, operator_seed=4))


def test_a_picture_keeps_its_own_shape_unless_another_is_asked_for(folder):
    main(arguments(image="grey.png", operator="downsample:2"))
    assert np.load("out/measurement.npz")["y"].shape == (1, 4, 4, 1)
    main(arguments(image_shape="8,8,3", fit="crop", operator="grayscale", out="other"))
    assert np.load("other/measurement.npz")["y"].shape == (1, 8, 8, 1)


def test_an_array_of_anybody_is_a_measurement(folder):
    y = np.random.default_rng(0).standard_normal((8, 12, 3))
    np.save("y.npy", y)
    found = read_measurement("y.npy", ProblemConfig("downsample:2"), SHAPE)
    np.testing.assert_allclose(found.y[0], y, rtol=1e-6)
    with pytest.raises(InputError, match=r"y\.npy does not say"):
        read_measurement("y.npy", ProblemConfig(), SHAPE)
    with pytest.raises(InputError, match=r"8x12x3.*gives 4x6x3"):
        read_measurement("y.npy", ProblemConfig("downsample:4"), SHAPE)
    y[0, 0] = np.nan
    np.save("y.npy", y)
    with pytest.raises(InputError, match="3 numbers that are not finite"):
        read_measurement("y.npy", ProblemConfig("downsample:2"), SHAPE)
    (folder / "y.npy").write_bytes(b"dear")
    with pytest.raises(InputError, match="cannot be read"):
        read_measurement("y.npy", ProblemConfig("downsample:2"), SHAPE)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"operator": ""}, ["--operator is missing"]),
        ({"operator": "boxes"}, ["--operator=boxes", "no such operator"]),
        ({"operator": "inpaint:white.png"}, ["hides every pixel"]),
        ({"operator": "inpaint:nowhere.png"}, ["nowhere.png", "no such file"]),
        ({"operator": "inpaint:grey.png"}, ["8x8", "24x16"]),
        ({"image": "nowhere.png"}, ["--image=nowhere.png"]),
        ({"image": "grey.png", "image_shape": "16,24,3"}, ["8x8", "--fit=crop"]),
        ({"sigma": -1}, ["--sigma=-1"]),
        ({"out": ""}, ["--out is missing"]),
        ({"out": "mask.png"}, ["--out=mask.png", "is a file"]),
        ({"image_shape": "4"}, ["--image_shape=4"]),
    ],
)
def test_bad_input_is_one_line(folder, monkeypatch, capsys, changes, words):
    monkeypatch.setattr(sys, "argv", arguments(**changes))
    with pytest.raises(SystemExit) as stopped:
        flags.run(main)
    assert stopped.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ") and all(word in line for word in words)
    assert not (folder / "out").exists()


def test_what_another_command_made_is_not_touched(folder, monkeypatch, capsys):
    main(arguments())
    before = {p.name: p.read_bytes() for p in (folder / "out").iterdir()}
    for changes in ({"operator": "box:0.3"}, {"sigma": 0.2}, {"image": "mask.png"}):
        with pytest.raises(InputError, match="another command"):
            main(arguments(**changes))
    assert before == {p.name: p.read_bytes() for p in (folder / "out").iterdir()}
