"""Every way to name pictures gives the pictures that are there."""

import numpy as np
import pytest

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.data.images import save_png
from pdm_tf.data.sources import open_source
from pdm_tf.evaluation.image_shapes import natural_shape
from pdm_tf.evaluation.image_sources import open_image_sources, open_pictures
from pdm_tf.evaluation.locations import locate
from pdm_tf.evaluation.stored_images import ImageSource
from pdm_tf.serving import open_generator


def noise(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def opened(*given: str, **settings) -> list[ImageSource]:
    locations = [
        locate(setting, name)
        for setting, name in zip(("samples", "reference"), given, strict=False)
    ]
    config = EvaluationConfig(**settings)
    return open_image_sources(locations, config, open_generator)


def contents(pictures: ImageSource, batch_size: int = 7) -> np.ndarray:
    return np.concatenate(list(pictures.batches(batch_size)))


@pytest.fixture
def npz_file(tmp_path) -> str:
    path = str(tmp_path / "a.npz")
    np.savez(path, noise(20, 16, 16, 3), labels=np.arange(20) % 3)
    return path


@pytest.fixture
def folder(tmp_path) -> str:
    directory = tmp_path / "pictures"
    for n, picture in enumerate(noise(10, 16, 16, 3, seed=1)):
        save_png(directory / f"{n:03d}.png", picture)
    return str(directory)


def test_npz(npz_file):
    (images,) = opened(npz_file)
    np.testing.assert_array_equal(contents(images), noise(20, 16, 16, 3))
    assert images.describe() == {"label_policy": "3 classes, 6 to 7 pictures each"}
    assert images.cost is None


def test_folder_with_and_without_prefix(folder):
    for given in (folder, f"folder:{folder}"):
        (images,) = opened(given)
        np.testing.assert_array_equal(contents(images), noise(10, 16, 16, 3, seed=1))


@pytest.mark.parametrize("given, split", [("mnist", "train"), ("mnist@test", "test")])
def test_source_and_its_held_out_part(given, split):
    (images,) = opened(given)
    source = open_source("mnist", (32, 32, 1), split=split)
    assert images.count == len(source)
    expected, _ = source.read(np.arange(len(source)))
    np.testing.assert_array_equal(contents(images, 64), expected)


def test_saved_model_and_run_directory(saved_model, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.flags").write_text("")
    assert locate("samples", str(run)).path == str(run)
    (run / "export").symlink_to(saved_model)
    assert locate("samples", str(run)).path == str(run / "export")
    assert locate("samples", saved_model).kind == "model"
    (model,) = opened(str(run), num_images=4, steps="2")
    assert contents(model).shape == (4, 16, 16, 1)
    assert model.count == 4
    assert model.cost()["pictures"] == 4
    assert model.describe()["label_policy"] == "balanced"


def test_directory_of_sample_py_means_its_npz(tmp_path, npz_file):
    directory = tmp_path / "samples"
    save_png(directory / "grid.png", noise(1, 99, 99, 3)[0])
    (directory / ".parts").mkdir()
    with pytest.raises(InputError, match="not complete"):
        locate("samples", str(directory))
    np.savez(directory / "samples.npz", noise(5, 8, 8, 1))
    (images,) = opened(str(directory))
    np.testing.assert_array_equal(contents(images), noise(5, 8, 8, 1))


def test_folder_follows_the_other_set(npz_file, tmp_path):
    directory = tmp_path / "large"
    for n, picture in enumerate(noise(3, 48, 64, 3)):
        save_png(directory / f"{n}.png", picture)
    for given in ((npz_file, str(directory)), (str(directory), npz_file)):
        assert {images.image_shape for images in opened(*given)} == {(16, 16, 3)}


def test_image_shape_decides(folder):
    (images,) = opened(folder, image_shape=(8, 12, 1))
    assert contents(images).shape == (10, 8, 12, 1)


def test_natural_shapes(folder, tmp_path):
    assert natural_shape(locate("samples", folder)) == (16, 16, 3)
    save_png(tmp_path / "grey" / "a.png", noise(1, 20, 24, 1)[0])
    (tmp_path / "grey" / "0.png").write_bytes(b"broken")
    grey = locate("samples", str(tmp_path / "grey"))
    assert natural_shape(grey) == (20, 24, 1)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_num_images_takes_the_first(npz_file, folder, batch_size):
    for given in (npz_file, folder):
        (whole,), (part,) = opened(given), opened(given, num_images=6)
        assert part.count == 6
        expected = contents(whole)[:6]
        np.testing.assert_array_equal(contents(part, batch_size), expected)


def test_num_images_leaves_the_reference_alone(npz_file, folder):
    _, reference = opened(folder, npz_file, num_images=6)
    assert reference.count == len(contents(reference)) == 20


def test_different_shapes_are_refused(npz_file, tmp_path):
    other = str(tmp_path / "b.npz")
    np.savez(other, noise(20, 16, 16, 1))
    with pytest.raises(InputError, match="16x16x1, while the evaluation is of 16x16x3"):
        opened(npz_file, other)
    with pytest.raises(InputError, match="of 16x16x3, while"):
        opened(npz_file, image_shape=(32, 32, 3))


@pytest.mark.parametrize("count, message", [(0, "0 picture"), (1, "1 picture")])
def test_too_few_pictures(tmp_path, count, message):
    path = str(tmp_path / "few.npz")
    np.savez(path, noise(count, 8, 8, 1))
    with pytest.raises(InputError, match=message):
        opened(path)


def test_unknown_names_are_refused(tmp_path):
    for name in ("none.npz", str(tmp_path / "nowhere"), "cifar"):
        with pytest.raises(InputError, match="no such file, directory or source"):
            locate("reference", name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"^samples=.*no picture"):
        opened(str(tmp_path / "empty"))


def test_faults_of_sources_name_the_right_setting(tmp_path):
    with pytest.raises(InputError, match=r"^reference=folder:"):
        open_image_sources(
            [locate("reference", f"folder:{tmp_path}/none")],
            EvaluationConfig(image_shape=(8, 8, 3)),
        )


def test_asking_for_more_than_there_is(npz_file):
    with pytest.raises(InputError, match=r"^num_images=21: .* has 20"):
        opened(npz_file, num_images=21)


MODELS = ["split.json", "model.json", "config.flags", "saved_model.pb", "model.xml"]


@pytest.mark.parametrize("name", MODELS)
def test_whatever_can_be_sampled_is_a_model(tmp_path, name):
    (tmp_path / name).write_text("{}")
    (tmp_path / "net.tflite").write_bytes(b"")
    for given in (str(tmp_path), str(tmp_path / "net.tflite"), "pretrained:mnist"):
        location = locate("samples", given)
        assert (location.kind, location.path) == ("model", given)


def test_pictures_alone_refuse_a_model(npz_file, folder, saved_model):
    for given, count in ((npz_file, 20), (folder, 10)):
        assert open_pictures("data", given).count == count
    with pytest.raises(InputError, match=r"^data=.*a model; give pictures"):
        open_pictures("data", saved_model)
    with pytest.raises(InputError, match="a model; give pictures"):
        open_image_sources([locate("samples", saved_model)], EvaluationConfig())
