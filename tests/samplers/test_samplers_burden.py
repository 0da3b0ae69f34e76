"""What is measured along trajectories is what it is said to be."""

import json

import numpy as np
import pytest
import tensorflow as tf
from toys import GaussianToy

import pdm_tf as pdm
from pdm_tf.assemble.__main__ import main
from pdm_tf.errors import InputError
from pdm_tf.samplers.burden import Curve, equal_parts, measure_burden, snr_at

STD = GaussianToy.std


def exact(t):
    """Of independent pixels w shrinks as r = sqrt(t² std² + (1 - t)²)."""
    r = np.sqrt((t * STD) ** 2 + (1 - t) ** 2)
    first = (t * STD**2 - (1 - t)) / r
    second = (STD**2 + 1 - first**2) / r
    return first / r, second  # dv/dw, and dv/dt of a trajectory from w = 1


@pytest.mark.parametrize("process", ["vp", "linear"])
def test_a_gaussians_burdens_are_those_of_its_closed_form(process):
    """Whatever process the model has: all lie on the straight way."""
    toy = GaussianToy(image_shape=(16, 16, 1))
    if process == "linear":
        toy.schedule = pdm.LinearFlow.of(1000)
    burden = measure_burden(toy, range(8), 60)
    slope, _ = exact(burden.dirichlet.t)
    np.testing.assert_allclose(burden.dirichlet.density, np.abs(slope), rtol=0.05)
    _, bend = exact(burden.acceleration.t)
    inner = burden.acceleration.t < 0.9
    found = burden.acceleration.density[inner]
    np.testing.assert_allclose(found, bend[inner], rtol=0.12)


def test_parts_have_equal_burdens():
    t = np.linspace(0.1, 0.9, 9)
    even = equal_parts(Curve(t, np.ones(9)), 4)
    np.testing.assert_allclose(even, [0.3, 0.5, 0.7], atol=1e-12)
    curve = Curve(t, t**2)
    for at in equal_parts(curve, 3):
        assert 0.1 < at < 0.9
    one, two = equal_parts(curve, 3)
    third = (0.9**3 - 0.1**3) / 3
    assert one**3 - 0.1**3 == pytest.approx(third, rel=0.06)
    assert two**3 - one**3 == pytest.approx(third, rel=0.06)
    assert len(equal_parts(curve, 1)) == 0
    np.testing.assert_allclose(snr_at(np.array([0.5]), 2.0), [0.25])


def test_the_command_says_where_and_draws_the_curves(tiny_run, tmp_path, capsys):
    words = [f"--model={tiny_run}", f"--out={tmp_path / 'it'}", "--count=3"]
    words += ["--pictures=2", "--measure_steps=5"]
    main(["", "split", "--suggest", *words])
    said = capsys.readouterr().out
    found = json.loads((tmp_path / "it" / "burden.json").read_text())
    first, second = found["snr"]["acceleration"]
    assert first > second > 0
    assert f"snr_low={second:.4g}, snr_high={first:.4g}" in said
    picture = tf.io.decode_png((tmp_path / "it" / "burden.png").read_bytes())
    assert np.asarray(picture).std() > 1
    with pytest.raises(InputError, match="model"):
        main(["", "split", "--suggest"])
    with pytest.raises(InputError, match="leave --parts out"):
        main(["", "split", "--suggest", "--parts=a,b"])
    with pytest.raises(InputError, match="the one command here"):
        main(["", "join"])
