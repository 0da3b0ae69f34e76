"""npz files of pictures: read in pieces, without pickles, each fault in one line."""

import io
import struct
import zipfile

import numpy as np
import pytest

from pdm_tf.config import InputError
from pdm_tf.evaluation.metrics.moments import FeatureMoments
from pdm_tf.evaluation.statistics import Statistics, load_statistics, save_statistics
from pdm_tf.storage import picture_npz as npz


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


def write_header(path, member: str, shape: tuple, content: bytes, **zipped) -> str:
    """An npz whose array claims a shape that its bytes do not bear out."""
    header = io.BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    with zipfile.ZipFile(path, "w", **zipped) as archive:
        archive.writestr(f"{member}.npy", header.getvalue() + content)
    return str(path)


PETABYTES = [
    (10**12, 32, 32, 1),
    (2, 10**7, 10**8, 1),
    (10**18, 1, 1, 1),
    (-1, 4, 4, 1),
]


@pytest.mark.parametrize("shape", PETABYTES)
def test_headers_that_claim_petabytes_take_no_memory(tmp_path, shape):
    path = write_header(tmp_path / "a.npz", "arr_0", shape, bytes(1024))
    with pytest.raises(InputError, match="not a sound npz"):
        npz.picture_shape("samples", path)
    path = write_header(tmp_path / "s.npz", "mu", shape[:1], bytes(8))
    with pytest.raises(InputError, match="not a sound npz"):
        npz.read_arrays("samples", path, {"mu"})


def test_an_archive_that_claims_more_than_its_file_is_refused(tmp_path):
    """Its list of members says how much there is; the file itself is small."""
    path = tmp_path / "a.npz"
    write_header(path, "arr_0", (2**20, 32, 32, 1), bytes(2**10))
    content, true = path.read_bytes(), 2**10 + 128
    claimed = struct.pack("<I", 2**30 + 128)
    path.write_bytes(content.replace(struct.pack("<I", true), claimed))
    with pytest.raises(InputError, match="not a sound npz"):
        npz.picture_shape("samples", str(path))


def test_other_methods_than_those_of_numpy_are_refused(tmp_path):
    zipped = {"compression": zipfile.ZIP_LZMA}
    path = write_header(tmp_path / "a.npz", "arr_0", (1, 8, 8, 1), bytes(64), **zipped)
    with pytest.raises(InputError, match="a method that NumPy knows not"):
        npz.picture_shape("samples", path)


@pytest.mark.parametrize("name", ["labels", "arr_1"])
def test_labels_are_ours_or_adms(tmp_path, name):
    path = str(tmp_path / "a.npz")
    arrays = {"arr_0": noise(6, 8, 8, 3), name: np.arange(6) % 3}
    np.savez(path, **arrays)
    found = npz.read_labels("samples", path, 5)
    np.testing.assert_array_equal(found, [0, 1, 2, 0, 1])


@pytest.mark.parametrize(
    "labels",
    [np.eye(6, dtype=int), np.linspace(0, 1, 6), np.arange(3), noise(6, 8, 8, 3)],
    ids=["one-hot", "floats", "too few", "pictures"],
)
def test_what_is_no_class_of_each_picture_is_no_label(tmp_path, labels):
    path = str(tmp_path / "a.npz")
    np.savez(path, noise(6, 8, 8, 3), labels)
    assert npz.read_labels("samples", path, 6) is None


FAULTS = {
    "float pictures": (noise(4, 8, 8, 1) / 255.0, "holds float64.*uint8"),
    "float32": (noise(4, 8, 8, 1).astype(np.float32), "holds float32.*uint8"),
    "pickled objects": (np.array([{}, None], object), "Python objects, .*not read"),
    "flat": (noise(4, 64), r"shape \(4, 64\).*\[N, H, W, C\]"),
    "one picture without N": (noise(8, 8, 1), r"shape \(8, 8, 1\)"),
    "channels first": (noise(4, 3, 8, 8), r"transpose\(0, 2, 3, 1\)"),
    "uint16": (noise(4, 8, 8, 1).astype(np.uint16), "holds uint16 .divide them by 257"),
    "grey": (noise(4, 8, 8), r"\[\.\.\., None\]"),
    "transparent": (noise(4, 8, 8, 4), "lay it over white"),
    "huge": (np.broadcast_to(np.uint8(0), (1, 4097, 4096, 1)), "more than 16,777,216"),
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
        ({"mu": np.zeros((1, 3)), "sigma": np.eye(3)}, r"mu of float64 \(1, 3\)"),
        ({"mu": np.zeros(9000), "sigma": np.zeros((9000, 1))}, "mu of float64"),
        ({"mu": np.zeros(2), "sigma": np.array([[1.0, 2], [0, 1]])}, "not symmetric"),
        ({"mu": np.zeros(3), "sigma": np.eye(3), "count": [5, 6]}, "count is int64"),
        ({"mu": np.zeros(3), "sigma": np.eye(3), "count": -2}, "count is int64"),
        ({"mu": np.zeros(3), "sigma": np.eye(3), "count": 2.5}, "count is float64"),
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
    with pytest.raises(InputError, match="mu holds Python objects"):
        load_statistics("reference", path)
    assert not sprung.exists()


def test_words_of_other_tools_are_passed_over(tmp_path):
    path = str(tmp_path / "s.npz")
    words = {"features": np.zeros((4, 3)), "pictures": 7, "names": np.array(["a"])}
    np.savez(path, mu=np.zeros(3), sigma=np.eye(3), **words)
    found = load_statistics("reference", path)
    assert (found.count, found.features, found.pictures) == (None, None, None)
