"""Laws of operators: adjoint, pseudo-inverse, ridge; and what each one is."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pdm_tf.data.images import save_png, to_float, to_uint8
from pdm_tf.errors import SettingError
from pdm_tf.inverse.operators import OPERATORS, Chain, open_operator
from pdm_tf.inverse.operators.blur import gaussian, motion

SHAPE = (16, 32, 3)
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (2, *SHAPE))
LINEAR = (
    "box",
    "box:0.3",
    "random_mask:0.5",
    "downsample:4",
    "downsample:2,bicubic",
    "blur:gaussian,1.5",
    "blur:motion,5,30",
    "grayscale",
    "compressed:0.1",
    "fourier_rows:0.25",
    "fourier_rows:0.6",
    "grayscale+downsample:4",
    "downsample:2+random_mask:0.3",
    "grayscale+blur:gaussian,1",
)
SEARCHED = (
    "blur:motion,5+downsample:2",
    pytest.param("blur:gaussian,1+random_mask:0.3", marks=pytest.mark.slow),
)
NONLINEAR = ("jpeg:30", "hdr:2", "downsample:2+jpeg:30", "grayscale+hdr:3")
TOLERANCES = {np.float64: 1e-10, np.float32: 1e-5}


def opened(text, shape=SHAPE, **settings):
    return open_operator(text, shape, seed=3, **settings)


def drawn(operator, dtype=np.float64):
    return np.random.default_rng(1).standard_normal((2, *operator.measured), dtype)


def dot(a, b):
    return np.sum(np.asarray(a) * np.asarray(b), axis=tuple(range(1, np.ndim(a))))


def test_all_operators_stand_under_a_law():
    tested = {
        p.partition(":")[0] for text in LINEAR + NONLINEAR for p in text.split("+")
    }
    assert tested | {"inpaint", "phase"} == set(OPERATORS)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("text", LINEAR)
def test_adjoint_pseudo_inverse_and_ridge(text, dtype):
    h, near = opened(text), TOLERANCES[dtype]
    x, y = X.astype(dtype), drawn(opened(text), dtype)
    measured, back = h.forward(x), h.adjoint(y)
    assert measured.shape == (2, *h.measured) and measured.dtype == dtype
    size = np.linalg.norm(measured) * np.linalg.norm(y)
    np.testing.assert_allclose(dot(measured, y), dot(x, back), atol=near * size)
    close = {"rtol": 0, "atol": near * np.abs(measured).max() * 3}
    np.testing.assert_allclose(h.forward(h.pinv(measured)), measured, **close)
    nearest = h.pinv(y)
    wide = {"rtol": 0, "atol": 10 * near * np.abs(nearest).max()}
    np.testing.assert_allclose(h.pinv(h.forward(nearest)), nearest, **wide)
    ridged = h.pinv(y, 0.1)
    left = h.adjoint(h.forward(ridged)) + dtype(0.1) * ridged
    np.testing.assert_allclose(left, back, atol=10 * near, rtol=0)
    if h.tight:
        np.testing.assert_allclose(h.forward(back), h.tight * y, atol=10 * near)


@pytest.mark.parametrize("text", SEARCHED)
def test_chains_without_closed_form_are_inverted_by_search(text):
    h, y = opened(text), drawn(opened(text))
    measured = h.forward(X)
    np.testing.assert_allclose(h.forward(h.pinv(measured)), measured, atol=1e-9)
    ridged = h.pinv(y, 0.1)
    left = h.adjoint(h.forward(ridged)) + 0.1 * ridged
    np.testing.assert_allclose(left, h.adjoint(y), atol=1e-9)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("text", NONLINEAR)
def test_what_is_not_linear_keeps_what_it_measured(text, dtype):
    h = opened(text)
    measured = h.forward(X.astype(dtype))
    again = h.forward(h.pinv(measured))
    np.testing.assert_allclose(again, measured, atol=30 * TOLERANCES[dtype])


@pytest.mark.parametrize(
    "text", ["hdr:2", "phase", "grayscale+hdr:3", "downsample:2+phase"]
)
def test_the_adjoint_is_that_of_the_derivative(text):
    h = opened(text)
    x, turn, y = X, np.random.default_rng(2).standard_normal(X.shape), drawn(h)
    step = 1e-6
    ahead, behind = h.forward(x + step * turn), h.forward(x - step * turn)
    along = (np.asarray(ahead) - np.asarray(behind)) / (2 * step)
    found = dot(turn, h.adjoint(y, tf.constant(x)))
    np.testing.assert_allclose(found, dot(along, y), rtol=1e-5)


def test_a_phase_is_found_from_strengths_alone():
    x = -np.ones((2, 16, 16, 1))
    x[0, 3:9, 4:6] = x[0, 8:10, 4:12] = 0.8
    x[1, 4:12, 10:12] = x[1, 4:6, 3:10] = 0.5
    h = opened("phase", (16, 16, 1))
    y = h.forward(x)
    found = np.asarray(h.pinv(y))
    np.testing.assert_allclose(h.forward(found), y, atol=1e-5)
    turned = found[:, ::-1, ::-1]  # has the same strengths, and so have shifted ones
    light = np.stack([found, turned])[..., 0] + 1
    truth = np.fft.fft2(x[..., 0] + 1).conj()
    match = np.fft.ifft2(np.fft.fft2(light) * truth).real.max(axis=(0, 2, 3))
    np.testing.assert_allclose(match, np.square(x + 1).sum((1, 2, 3)), rtol=1e-3)


def test_masks_hide_what_is_said(tmp_path):
    mask = np.zeros((16, 32, 1), np.uint8)
    mask[2:5, 3:20] = 255
    save_png(tmp_path / "mask.png", mask)
    h = opened(f"inpaint:{tmp_path / 'mask.png'}")
    seen = np.asarray(h.pinv(h.forward(X)))
    np.testing.assert_array_equal(seen, np.where(mask > 0, 0, X))
    assert h.count == 3 * int((mask == 0).sum())
    assert opened("random_mask:0.5").hidden.mean() == 0.5
    hidden = opened("box:0.5").hidden
    assert hidden[4:12, 8:24].all() and hidden.sum() == 128


def test_smaller_pictures_are_those_of_others():
    pooled = tf.nn.avg_pool2d(X, 4, 4, "VALID")
    np.testing.assert_allclose(opened("downsample:4").forward(X), pooled, atol=1e-12)
    small = opened("downsample:4,bicubic").forward(X)
    other = tf.image.resize(X, (4, 8), "bicubic", antialias=True)
    np.testing.assert_allclose(small[:, 2:-2, 2:-2], other[:, 2:-2, 2:-2], atol=1e-5)
    flat = np.full((1, *SHAPE), 0.3)
    np.testing.assert_allclose(opened("downsample:2,bicubic").forward(flat), 0.3)


def test_blur_keeps_the_mean_and_moves_nothing():
    for h in (gaussian(SHAPE, 1.5), motion(SHAPE, 7, 30.0)):
        blurred = np.asarray(h.forward(X))
        np.testing.assert_allclose(blurred.mean((1, 2)), X.mean((1, 2)), atol=1e-12)
        assert blurred.std() < 0.5 * X.std()
    point = np.zeros((1, *SHAPE))
    point[0, 8, 12] = 1.0
    spread = np.asarray(gaussian(SHAPE, 1.0).forward(point))[0, :, :, 0]
    assert np.unravel_index(spread.argmax(), spread.shape) == (8, 12)
    assert spread[8, 13] / spread[8, 12] == pytest.approx(np.exp(-0.5), rel=0.06)
    line = np.asarray(motion(SHAPE, 5, 0.0).forward(point))[0, :, :, 0]
    assert line[8, 10:15].sum() == pytest.approx(1.0, abs=0.12)


def test_jpeg_is_that_of_pillow_but_for_the_files_bytes():
    smooth = np.asarray(gaussian(SHAPE, 2.0).forward(X))[:1] * 3
    picture = to_uint8(smooth)
    h, file = opened("jpeg:30"), io.BytesIO()
    Image.fromarray(picture[0]).save(file, "JPEG", quality=30, subsampling=0)
    theirs = to_float(np.asarray(Image.open(file))[None])
    ours = np.asarray(h.pinv(h.forward(to_float(picture))))
    errors = [np.sqrt(np.square(x - to_float(picture)).mean()) for x in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], rel=0.1)
    assert np.sqrt(np.square(ours - theirs).mean()) < 0.5 * errors[1]


def test_noise_is_of_its_size_and_of_its_seed():
    h = opened("random_mask:0.5", sigma=0.1)
    y = np.asarray(h.measure(X, [4, 5]) - h.forward(X))
    assert y.std() == pytest.approx(0.1, rel=0.1)
    again = np.asarray(h.measure(X[1:], [5]) - h.forward(X[1:]))
    np.testing.assert_array_equal(y[1:], again)


def test_places_are_of_their_seed():
    first, same = opened("random_mask:0.5"), opened("random_mask:0.5")
    other = open_operator("random_mask:0.5", SHAPE, seed=4)
    assert (first.hidden == same.hidden).all()
    assert (first.hidden != other.hidden).any()


@pytest.mark.parametrize(
    "text, words",
    [
        ("", ["no such operator", "box:0.5"]),
        ("blur:fog", ["'fog'", "gaussian, motion"]),
        ("downsample:5", ["32x16", "by 5"]),
        ("downsample:2.5", ["no whole number"]),
        ("downsample:4,cubic", ["mean, bicubic"]),
        ("box:big", ["'big' is no number"]),
        ("box:1", ["hides every pixel"]),
        ("random_mask:0", ["hides no pixel"]),
        ("random_mask:nan", ["out of bounds"]),
        ("inpaint", ["white where nothing is seen"]),
        ("inpaint:nowhere.png", ["no such file"]),
        ("random_mask:0.5+downsample:2", ["follows what gives no picture"]),
        ("grayscale+grayscale", ["3 channels"]),
        ("hdr:2,3", ["too many numbers", "hdr:2"]),
        ("downsample:4+jpeg:30", ["multiples of 8", "8x4"]),
    ],
)
def test_bad_operators_are_one_line(text, words):
    with pytest.raises(SettingError) as refused:
        opened(text)
    line = str(refused.value)
    assert line.startswith("operator") and "\n" not in line
    for word in words:
        assert word in line


def test_a_chain_is_its_parts_in_order():
    h = opened("grayscale+downsample:4")
    assert isinstance(h, Chain) and h.measured == (4, 8, 1)
    both = opened("downsample:4").forward(opened("grayscale").forward(X))
    np.testing.assert_allclose(h.forward(X), both)
    with pytest.raises(SettingError, match="sigma"):
        opened("jpeg:30", sigma=0.1)
