"""The size of pictures comes from metadata or from all files, never from one."""

import numpy as np
import pytest
from PIL import Image

from pdm_tf.config import EvaluationConfig, InputError, PrepareConfig
from pdm_tf.data.images import save_png
from pdm_tf.data.preparation.prepare import prepare
from pdm_tf.evaluation.image_shapes import natural_shape
from pdm_tf.evaluation.image_sources import open_image_sources
from pdm_tf.evaluation.locations import locate


def fill(directory, count: int, *shape: int) -> str:
    random = np.random.default_rng(count)
    for n in range(count):
        picture = random.integers(0, 256, shape, np.uint8)
        save_png(directory / f"{n:03d}.png", picture)
    return str(directory)


def shape_of(given: str) -> tuple[int, ...]:
    return natural_shape(locate("samples", given))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> str:
    """A prepared data set of 24x24x3, with its contact sheet."""
    home = tmp_path_factory.mktemp("prepared")
    source = fill(home / "files", 5, 30, 24, 3)
    prepare(PrepareConfig(source=source, image_size=24, out=str(home / "set")))
    assert (home / "set" / "contact_sheet_train.png").is_file()
    return str(home / "set")


@pytest.mark.parametrize("prefix", ["", "folder:", "tfds:"])
def test_a_prepared_set_has_the_size_of_its_records(prepared, prefix):
    """However it is named: its contact sheet is no picture of it."""
    assert shape_of(prefix + prepared) == (24, 24, 3)
    locations = [locate("samples", prefix + prepared)]
    (opened,) = open_image_sources(locations, EvaluationConfig())
    assert opened.count == 5


def test_a_prepared_set_read_at_another_size_says_so(prepared):
    config = EvaluationConfig(image_shape=(12, 12, 3))
    (opened,) = open_image_sources([locate("samples", prepared)], config)
    assert "24x24 and were scaled and cropped to 12x12" in " ".join(opened.notes)


STRAYS = ["grid.png", "000/thumb.png", "zz.png"]


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_size_is_refused_and_named(tmp_path, stray):
    folder = fill(tmp_path, 4, 16, 16, 3)
    save_png(tmp_path / stray, np.zeros((70, 50, 3), np.uint8))
    with pytest.raises(InputError, match=r"4 of 16x16 .*1 of 50x70 .first: ") as error:
        shape_of(folder)
    assert stray in str(error.value) and "`image_shape`" in str(error.value)


def test_a_size_that_is_given_is_used_and_what_was_scaled_is_said(tmp_path):
    folder = fill(tmp_path, 4, 16, 16, 3)
    save_png(tmp_path / "grid.png", np.zeros((70, 50, 3), np.uint8))
    config = EvaluationConfig(image_shape=(16, 16, 3))
    (opened,) = open_image_sources([locate("samples", folder)], config)
    (note,) = opened.notes
    assert note.startswith("1 of 5 pictures in ") and "(first: grid.png)" in note


def test_pictures_of_one_size_need_no_word(tmp_path):
    folder = fill(tmp_path, 3, 16, 12, 3)
    config = EvaluationConfig(image_shape=(16, 12, 3))
    (opened,) = open_image_sources([locate("samples", folder)], config)
    assert shape_of(folder) == (16, 12, 3) and opened.notes == ()


def test_hidden_files_and_the_other_split_decide_nothing(tmp_path):
    fill(tmp_path / "train", 3, 16, 16, 3)
    fill(tmp_path / "test", 3, 20, 20, 3)
    fill(tmp_path / "train" / ".thumbnails", 2, 8, 8, 3)
    assert shape_of(str(tmp_path)) == (16, 16, 3)
    assert shape_of(f"{tmp_path}@test") == (20, 20, 3)


def test_one_colour_among_grey_makes_all_colours(tmp_path):
    folder = fill(tmp_path, 3, 16, 16, 1)
    assert shape_of(folder) == (16, 16, 1)
    save_png(tmp_path / "z.png", np.zeros((16, 16, 3), np.uint8))
    assert shape_of(folder) == (16, 16, 3)


def test_a_picture_that_lies_on_its_side_is_measured_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 12)).save(tmp_path / "a.jpg", exif=exif)
    assert shape_of(str(tmp_path)) == (20, 12, 3)


def test_grids_of_a_training_are_no_samples(tmp_path):
    fill(tmp_path / "run" / "samples", 2, 70, 70, 1)
    (tmp_path / "run" / "config.flags").write_text("")
    with pytest.raises(InputError, match="grids that a training drew; give the run"):
        locate("samples", str(tmp_path / "run" / "samples"))


def test_one_picture_is_no_set(tmp_path):
    fill(tmp_path, 1, 16, 16, 1)
    with pytest.raises(InputError, match="a single picture"):
        locate("samples", str(tmp_path / "000.png"))


def test_a_run_is_judged_by_its_newest_weights_and_not_by_an_older_export(tmp_path):
    (tmp_path / "config.flags").write_text("")
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "saved_model.pb").write_bytes(b"")
    assert locate("samples", str(tmp_path)).path == str(tmp_path / "export")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-2.index").write_bytes(b"")
    assert locate("samples", str(tmp_path)).path == str(tmp_path)
