"""A graph with the names, the age and the hazards of the published one."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.evaluation.features import inception, open_features
from pdm_tf.evaluation.features.inception import Inception

CHANNELS, CLASSES, STRIDE, KERNEL = 9, 5, 17, 27  # 299 pixels -> 17
EPSILON = 1e-3
random = np.random.default_rng(0)
FIRST = random.normal(size=(KERNEL, KERNEL, 3, CHANNELS)).astype(np.float32) / 27
MEAN, BETA = random.normal(size=(2, CHANNELS)).astype(np.float32) / 10
VARIANCE, GAMMA = random.uniform(0.5, 2, size=(2, CHANNELS)).astype(np.float32)
SECOND = random.normal(size=(1, 1, CHANNELS, CHANNELS)).astype(np.float32)
SOFTMAX = random.normal(size=(CHANNELS, CLASSES)).astype(np.float32)


def constant_graph() -> bytes:
    """Named and versioned as the graph of 2015, whose shapes are for a batch of one."""
    graph = tf.Graph()
    with graph.as_default():
        v1 = tf.compat.v1
        image = v1.placeholder(tf.float32, [32, 32, 3], name="Cast")
        x = tf.expand_dims(image, 0, name="ExpandDims")
        x = v1.image.resize_bilinear(x, [299, 299], name="ResizeBilinear")
        x = tf.multiply(tf.subtract(x, 128.0, name="Sub"), 1 / 128, name="Mul")
        x = tf.nn.conv2d(x, FIRST, STRIDE, "VALID", name="conv/Conv2D")
        x = tf.identity(x, name="conv/batchnorm")  # to be replaced
        x = tf.nn.conv2d(x, SECOND, 1, "SAME", name="mixed_6/conv")
        x = tf.nn.relu(x, name="mixed_6/relu")
        x = tf.nn.avg_pool2d(x, 17, 1, "VALID", name="pool_3")
        x = tf.reshape(x, [1, CHANNELS], name="pool_3/_reshape")
        weights = tf.constant(SOFTMAX, name="softmax/weights")
        x = tf.matmul(x, weights, name="softmax/logits/MatMul")
        x = tf.add(x, 100 * np.arange(CLASSES, dtype=np.float32), name="softmax/logits")
        tf.nn.softmax(x, name="softmax")
        for name, value in (("m", MEAN), ("v", VARIANCE), ("b", BETA), ("g", GAMMA)):
            tf.constant(value, name=name)
    definition = graph.as_graph_def(add_shapes=True)
    for node in definition.node:
        if node.name == "conv/batchnorm":
            node.op = "BatchNormWithGlobalNormalization"
            node.input.extend(["m", "v", "b", "g"])
            node.attr["variance_epsilon"].f = EPSILON
            node.attr["scale_after_normalization"].b = True
    definition.versions.producer = 8  # the last that may hold that operation
    return definition.SerializeToString()


def naive_features(picture: np.ndarray) -> tuple[np.ndarray, ...]:
    """In NumPy, with the resize of old: no half pixels, corners not aligned."""
    height, width, _ = picture.shape
    y, x = np.arange(299) * height / 299, np.arange(299) * width / 299
    y0, x0 = y.astype(int), x.astype(int)
    y1, x1 = np.minimum(y0 + 1, height - 1), np.minimum(x0 + 1, width - 1)
    dy, dx = (y - y0)[:, None, None], (x - x0)[None, :, None]
    p = picture.astype(np.float64)
    top = p[y0][:, x0] * (1 - dx) + p[y0][:, x1] * dx
    bottom = p[y1][:, x0] * (1 - dx) + p[y1][:, x1] * dx
    p = (top * (1 - dy) + bottom * dy - 128) / 128
    z = np.zeros((17, 17, CHANNELS))
    for i in range(17):
        for j in range(17):
            patch = p[
                i * STRIDE : i * STRIDE + KERNEL, j * STRIDE : j * STRIDE + KERNEL
            ]
            z[i, j] = np.tensordot(patch, FIRST, 3)
    z = (z - MEAN) / np.sqrt(VARIANCE + EPSILON) * GAMMA + BETA
    z = z @ SECOND[0, 0]
    pooled = np.maximum(z, 0).mean(axis=(0, 1))
    odds = np.exp(pooled @ SOFTMAX)
    return pooled, z[..., :7].reshape(-1), odds / odds.sum()


@pytest.fixture(scope="module")
def graph_file(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("graph") / "classify_image_graph_def.pb"
    path.write_bytes(constant_graph())
    return str(path)


@pytest.fixture(scope="module")
def extract(graph_file) -> Inception:
    content = Path(graph_file).read_bytes()
    return Inception(graph_file, hashlib.sha256(content).hexdigest())


def noise(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *shape), np.uint8)


@pytest.mark.parametrize("shape", [(32, 32, 3), (40, 24, 3)])
def test_equals_numpy(extract, shape):
    """The graph's own resize, batch normalisation, and softmax without its bias."""
    pictures = noise(3, *shape)
    found = extract(pictures)
    for n, picture in enumerate(pictures):
        for rows, expected in zip(found, naive_features(picture), strict=True):
            np.testing.assert_allclose(rows[n], expected, rtol=1e-3, atol=1e-4)


def test_spatial_features_are_seven_channels_of_a_17_grid(extract):
    assert extract.sizes == (CHANNELS, 17 * 17 * 7)
    assert extract(noise(2, 32, 32, 3)).spatial.shape == (2, 2023)


def test_grey_is_three_equal_channels(extract):
    grey = noise(2, 32, 32, 1)
    for rows, expected in zip(
        extract(grey), extract(grey.repeat(3, axis=3)), strict=True
    ):
        np.testing.assert_array_equal(rows, expected)


def test_report_names_the_file(extract, graph_file):
    assert extract.describe()["sha256"] == extract.sha256
    assert len(extract.sha256) == 64


def test_missing_file_is_named_with_its_size_and_home(tmp_path):
    with pytest.raises(InputError) as error:
        open_features("inception", str(tmp_path / "none.pb"))
    parts = ["none.pb", "classify_image_graph_def.pb", "95,673,916 bytes"]
    parts += ["openaipublic.blob.core.windows.net", "`features=digits`"]
    for part in parts:
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_another_file_is_refused_unless_its_hash_is_given(graph_file):
    with pytest.raises(InputError, match="not the published file") as error:
        Inception(graph_file)
    offered = str(error.value).rpartition("`inception_sha256=")[2].rstrip("`")
    assert Inception(graph_file, offered).sha256 == offered
    with pytest.raises(InputError, match="has the SHA-256 " + offered):
        Inception(graph_file, "0" * 64)


def test_published_file_is_known_by_size_and_digest(graph_file, monkeypatch):
    content = Path(graph_file).read_bytes()
    monkeypatch.setattr(inception, "BYTES", len(content))
    monkeypatch.setattr(inception, "MD5", hashlib.md5(content).hexdigest())
    assert Inception(graph_file).name == "inception"


@pytest.mark.parametrize("content", [b"", b"no graph at all"])
def test_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "graph.pb"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not the Inception graph of 2015") as error:
        Inception(str(path), hashlib.sha256(content).hexdigest())
    assert "\n" not in str(error.value)
