"""What of a folder is trained on: never what is held out, of the system, or ours."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from pdm_tf.config import InputError
from pdm_tf.data.held_out import placed
from pdm_tf.data.sources import open_source

SHAPE = (4, 4, 1)


def paint(root, *names):
    for level, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), level).save(root / name, "PNG")
    return f"folder:{root}"


def levels(source):
    return sorted(source.read(np.arange(len(source)))[0][:, 0, 0, 0].tolist())


HELD_OUT = ["valid", "Val", "VALIDATION", "test", "Testing", "val2017", "holdout"]


@pytest.mark.parametrize("name", HELD_OUT)
def test_held_out_pictures_are_not_trained_on(tmp_path, name, capsys):
    files = ("cat/1.png", "dog/1.png")
    dataset = paint(
        tmp_path,
        *(f"{split}/{file}" for split in ("Train", name) for file in files),
        "other/1.png",
    )
    source = open_source(dataset, SHAPE, 2)
    assert levels(source) == [0, 1] and source.class_names == ("cat", "dog")
    said = capsys.readouterr().err
    assert f"{name} (held out)" in said and "other (beside" in said
    assert levels(open_source(dataset, SHAPE, 2, "test")) == [2, 3]


def test_held_out_beside_classes(tmp_path):
    dataset = paint(tmp_path, "cat/1.png", "dog/1.png", "valid/cat/1.png")
    source = open_source(dataset, SHAPE, 2)
    assert levels(source) == [0, 1] and source.class_names == ("cat", "dog")
    assert levels(open_source(dataset, SHAPE, 2, "test")) == [2]


@pytest.mark.parametrize(
    ("file", "split", "rest"),
    [
        ("images/train/a/1.png", "train", "images/a/1.png"),
        ("images/val/a/1.png", "val", "images/a/1.png"),
        ("images/1.png", "", "images/1.png"),
        ("alone/test/1.png", "train", "alone/test/1.png"),  # no train beside it
    ],
)
def test_splits_deeper_down(file, split, rest):
    files = ["images/train/a/1.png", "images/val/a/1.png", "images/1.png", file]
    (found,) = {one for one in placed(files) if one.file == file}
    assert (found.split, found.rest) == (split, rest)


def test_train_is_a_class_where_nothing_is_held_out(tmp_path):
    dataset = paint(tmp_path, "car/1.png", "train/1.png", "bus/1.png")
    assert open_source(dataset, SHAPE, 3).class_names == ("bus", "car", "train")


def test_only_held_out_pictures_are_refused(tmp_path):
    with pytest.raises(InputError, match="held out for testing"):
        open_source(paint(tmp_path, "test/1.png"), SHAPE)


SYSTEM = ["@eaDir", "__MACOSX", ".hidden", "#recycle", "$RECYCLE.BIN", "@EADIR"]


@pytest.mark.parametrize("name", SYSTEM)
def test_folders_of_systems_are_left_out(tmp_path, name, capsys):
    dataset = paint(tmp_path, "a/1.png", f"{name}/1.png", f"a/{name}/2.png")
    source = open_source(dataset, SHAPE, 1)
    assert levels(source) == [0] and source.class_names == ("a",)
    assert name in capsys.readouterr().err


SAMPLES = json.dumps({"num_images": 4, "seed": 0, "sampler": "ddpm", "steps": 9})
EDITS = json.dumps({"task": "inpaint", "digest": "", "inputs": {}})
OURS = {
    "a run": ("run", {"config.flags": ""}, ["samples/1.png", "logs/x.png"]),
    "samples": ("out", {"manifest.json": SAMPLES}, ["0.png", "grid.png"]),
    "edited": ("edited", {"manifest.json": EDITS}, ["0000.png", "sheet.png"]),
    "an export": ("export", {"saved_model.pb": ""}, ["assets/1.png"]),
    "a derived model": ("cached", {"model.json": "{}"}, ["samples.png"]),
    "a prepared set": ("p", {"dataset_info.json": ""}, ["contact_sheet_train.png"]),
    "a figure": ("f", {"l.json": "", "l.csv": ""}, ["l.png"]),
}


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("classes", [0, 2])
def test_what_we_wrote_never_changes_a_data_set(tmp_path, kind, classes, capsys):
    folder, files, pictures = OURS[kind]
    dataset = paint(tmp_path, "a/1.png", "b/1.png")
    before = levels(open_source(dataset, SHAPE, classes))
    paint(tmp_path, *(f"{folder}/{name}" for name in pictures))
    for name, content in files.items():
        (tmp_path / folder / name).write_text(content)
    source = open_source(dataset, SHAPE, classes)
    assert levels(source) == before
    assert "made by pdm_tf" in capsys.readouterr().err


def test_the_data_folder_may_itself_be_the_run(tmp_path):
    dataset = paint(tmp_path, "a/1.png", "b/1.png", "samples/1.png", "b/samples/1.png")
    for folder in (tmp_path, tmp_path / "b"):
        (folder / "config.flags").write_text("")
    assert open_source(dataset, SHAPE, 2).class_names == ("a", "b")
    assert len(open_source(dataset, SHAPE)) == 2


def test_a_foreign_manifest_is_nothing_of_ours(tmp_path):
    dataset = paint(tmp_path, "a/1.png")
    (tmp_path / "a" / "manifest.json").write_text('{"photos": 1}')
    assert len(open_source(dataset, SHAPE)) == 1


def test_what_is_no_file_is_left_out(tmp_path, capsys):
    dataset = paint(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / "around").symlink_to("/")
    (tmp_path / "loop").symlink_to(tmp_path)
    source = open_source(dataset, SHAPE)
    assert levels(source) == [0] and source.skipped == ("self.png",)
    said = capsys.readouterr().err
    assert "pipe.png, zero.png (no regular file)" in said


def test_deep_folders_end(tmp_path, capsys):
    dataset = paint(tmp_path, "a.png")
    handle = os.open(tmp_path, os.O_DIRECTORY)
    for _ in range(150):
        os.mkdir("deep", dir_fd=handle)
        below = os.open("deep", os.O_DIRECTORY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    assert len(open_source(dataset, SHAPE)) == 1
    assert "too deep" in capsys.readouterr().err
