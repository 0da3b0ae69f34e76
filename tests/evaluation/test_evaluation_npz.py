"""npz files: read in pieces, without pickles, each fault in one line."""

import numpy as np
import pytest

from pdm_tf.config import InputError
from pdm_tf.evaluation import npz
from pdm_tf.evaluation.metrics.moments import FeatureMoments
from pdm_tf.evaluation.statistics import Statistics, load_statistics, save_statistics


def noise(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("batch_size", [1, 7, 20, 64])
def test_batches_are_the_array(tmp_path, save, batch_size):
    pictures = noise(20, 8, 6, 3)
    path = str(tmp_path / "a.npz")
    save(path, pictures, labels=np.arange(20))
    assert npz.picture_shape("samples", path) == (20, 8, 6, 3)
    for count in (20, 13):
        batches = list(npz.read_pictures("samples", path, count, batch_size))
        assert max(map(len, batches)) <= batch_size
        np.testing.assert_array_equal(np.concatenate(batches), pictures[:count])


FAULTS = {
    "float pictures": (noise(4, 8, 8, 1) / 255.0, "holds float64.*uint8"),
    "float32": (noise(4, 8, 8, 1).astype(np.float32), "holds float32.*uint8"),
    "pickled objects": (np.array([{}, None], object), "Python objects, .*not read"),
    "flat": (noise(4, 64), r"shape \(4, 64\).*\[N, H, W, C\]"),
    "one picture without N": (noise(8, 8, 1), r"shape \(8, 8, 1\)"),
    "channels first": (noise(4, 3, 8, 8), r"C of 1 or 3"),
    "Fortran": (np.asfortranarray(noise(4, 8, 8, 3)), "Fortran"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_arrays_are_refused(tmp_path, fault):
    array, message = FAULTS[fault]
    path = str(tmp_path / "a.npz")
    np.savez(path, array)
    with pytest.raises(InputError, match=message) as error:
        npz.picture_shape("samples", path)
    assert str(error.value).startswith(f"samples={path}: ")


def test_array_of_another_name_is_named(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path, pictures=noise(4, 8, 8, 1))
    with pytest.raises(InputError, match="holds no arr_0"):
        npz.picture_shape("samples", path)


@pytest.mark.parametrize("kept", [0, 3, 100, 3000, -600])
def test_damaged_file_is_one_line(tmp_path, kept):
    path = tmp_path / "a.npz"
    np.savez(path, noise(20, 16, 16, 1))
    content = path.read_bytes()
    path.write_bytes(content[:kept])
    with pytest.raises(InputError, match="not a sound npz") as error:
        npz.picture_shape("samples", str(path))
    assert "\n" not in str(error.value)


def test_flipped_bytes_are_found(tmp_path):
    """The archive still opens; its checksum does not agree."""
    path = tmp_path / "a.npz"
    np.savez(path, noise(20, 16, 16, 1))
    content = bytearray(path.read_bytes())
    content[2000] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a sound npz"):
        list(npz.read_pictures("samples", str(path), 20, 7))


def gaussian(size: int, seed: int = 0):
    rows = np.random.default_rng(seed).normal(size=(50, size))
    return FeatureMoments.of(rows).gaussian()


def test_statistics_round_trip(tmp_path):
    path = str(tmp_path / "s.npz")
    saved = Statistics(gaussian(5), gaussian(7), 50, "digits")
    save_statistics(path, saved)
    found = load_statistics("reference", path)
    assert (found.count, found.features) == (50, "digits")
    for kind in ("pooled", "spatial"):
        for a, b in zip(getattr(found, kind), getattr(saved, kind), strict=True):
            np.testing.assert_array_equal(a, b)


def test_statistics_of_adm_tell_neither_count_nor_features(tmp_path):
    path = str(tmp_path / "s.npz")
    mean, covariance = gaussian(5)
    np.savez(path, mu=mean.astype(np.float32), sigma=covariance)
    found = load_statistics("reference", path)
    assert (found.count, found.features, found.spatial) == (None, None, None)
    assert found.pooled.mean.dtype == np.float64


def test_statistics_without_features_of_their_own(tmp_path):
    path = str(tmp_path / "s.npz")
    save_statistics(path, Statistics(gaussian(5), None))
    found = load_statistics("reference", path)
    assert (found.count, found.features) == (None, None)


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"mu": np.zeros(3)}, "missing mu or sigma"),
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, r"mu of float64 \(3,\).*\(4, 4\)"),
        ({"mu": np.zeros(3, int), "sigma": np.eye(3)}, "mu of int64"),
        ({"mu": np.full(3, np.nan), "sigma": np.eye(3)}, "not finite"),
        ({"mu": np.zeros(3), "sigma": np.full((3, 3), np.inf)}, "not finite"),
        (
            {"mu": np.zeros(3), "sigma": np.eye(3), "mu_s": np.zeros(3)},
            "missing mu or sigma .keys mu_s, sigma_s",
        ),
    ],
)
def test_wrong_statistics_are_refused(tmp_path, arrays, message):
    path = str(tmp_path / "s.npz")
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message):
        load_statistics("reference", path)


class Trap:
    """Its pickle would write a file when loaded."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_are_not_loaded(tmp_path):
    path, sprung = str(tmp_path / "s.npz"), tmp_path / "sprung"
    np.savez(path, mu=np.array([Trap(sprung)], object), sigma=np.eye(1))
    with pytest.raises(InputError, match="not a sound npz"):
        load_statistics("reference", path)
    assert not sprung.exists()
