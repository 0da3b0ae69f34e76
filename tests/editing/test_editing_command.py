"""python -m pdm_tf.editing: pictures in, pictures out, one line for bad input."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from toys import MixtureToy

from pdm_tf import assemble, flags
from pdm_tf.config import Config
from pdm_tf.data.images import save_png
from pdm_tf.editing import TASKS
from pdm_tf.editing.__main__ import main

SHAPE = (16, 24, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures of the model's size and others, and a model that needs no training."""
    toy = MixtureToy(image_shape=SHAPE)
    opened = assemble.OpenedModel("toy", toy, Config())
    monkeypatch.setattr(assemble, "open_model", lambda path: opened)
    noise = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), np.uint8)
    mask = np.zeros((*SHAPE[:2], 1), np.uint8)
    mask[:8] = 255
    files = {
        "first": noise[0],
        "second": noise[1],
        "mask": mask,
        "small": noise[0, ::4, ::4],
        "odd": noise[0, :15],
        "black": np.zeros_like(mask),
    }
    (tmp_path / "text.png").write_text("dear")
    for name, picture in files.items():
        save_png(tmp_path / f"{name}.png", picture)
    return tmp_path


ONLY = {
    "inpaint": {"mask": "mask.png"},
    "interpolate": {"second_image": "second.png"},
}


def arguments(folder, task, **changes):
    only = {name: folder / file for name, file in ONLY.get(task, {}).items()}
    given = {
        "model": folder,
        "image": folder / ("small.png" if task == "super_resolve" else "first.png"),
        "out": folder / "out",
        "count": 3,
        "steps": 8,
        **only,
        **changes,
    }
    return ["prog", task, *(f"--{name}={value}" for name, value in given.items())]


def read(path):
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("labels", ["", "1"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task_writes_its_pictures_and_a_sheet(folder, task, labels):
    main(arguments(folder, task, labels=labels))
    names = sorted(path.name for path in (folder / "out").iterdir())
    assert names == ["0000.png", "0001.png", "0002.png", "sheet.png"]
    pictures = [read(folder / "out" / name) for name in names[:3]]
    assert {picture.shape for picture in pictures} == {SHAPE}
    shown = 5 if task == "interpolate" else 4
    assert read(folder / "out" / "sheet.png").shape == (20, 26 * shown + 2, 3)
    again = [picture.copy() for picture in pictures]
    main(arguments(folder, task, labels=labels))
    for name, picture in zip(names[:3], again, strict=True):
        assert (read(folder / "out" / name) == picture).all()


def test_bytes_outside_the_mask_come_back(folder):
    main(arguments(folder, "inpaint", resamplings=2, jump=3, sampler="ddim"))
    for i in range(3):
        painted = read(folder / "out" / f"000{i}.png")
        assert (painted[8:] == read(folder / "first.png")[8:]).all()
        assert (painted[:8] != read(folder / "first.png")[:8]).any()


def refusal(argv, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in argv])
    with pytest.raises(SystemExit) as stopped:
        flags.run(main)
    assert stopped.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


@pytest.mark.parametrize(
    "task, changes, words",
    [
        ("inpaint", {"image": "odd.png"}, ["--image", "24x15", "24x16"]),
        ("inpaint", {"mask": "odd.png"}, ["--mask", "24x15", "24x16"]),
        ("inpaint", {"mask": ""}, ["--mask is missing"]),
        ("inpaint", {"resamplings": 0}, ["--resamplings=0"]),
        ("inpaint", {"mask": "black.png"}, ["--mask=black.png", "white where"]),
        ("sdedit", {"image": "nowhere.png"}, ["--image=nowhere.png: no such file"]),
        ("sdedit", {"image": "."}, ["--image=.: no such file"]),
        ("sdedit", {"image": "text.png"}, ["--image=text.png: not a picture"]),
        ("sdedit", {"strength": 2}, ["--strength=2"]),
        ("sdedit", {"sampler": "best"}, ["sampler=best", "ddim"]),
        ("sdedit", {"count": 0}, ["--count=0"]),
        ("super_resolve", {"image": "odd.png"}, ["24x15", "24x16", "12x8"]),
        ("interpolate", {"second_image": "odd.png"}, ["--second_image", "24x16"]),
        ("interpolate", {"labels": "1,0"}, ["--labels=1,0"]),
        ("sdedit", {"labels": "1,2"}, ["--labels=2", "0 to 1"]),
        ("variations", {"steps": "0"}, ["steps=0"]),
        ("variations", {"model": ""}, ["--model", "a run"]),
        ("variations", {"run_dir": ""}, ["--model", "a run"]),
        ("sdedit", {"mask": "mask.png"}, ["--mask", "inpaint and not of sdedit"]),
        ("super_resolve", {"image": "first.png"}, ["24x16", "12x8 or 6x4"]),
        ("", {}, ["the task is missing", "super_resolve"]),
        ("upscale", {}, ["'upscale'", "super_resolve"]),
    ],
)
def test_bad_input_is_one_line(folder, monkeypatch, capsys, task, changes, words):
    monkeypatch.chdir(folder)
    line = refusal(arguments(folder, task, **changes), monkeypatch, capsys)
    for word in words:
        assert word in line
    assert not (folder / "out").exists()


def test_help_lists_tasks_without_tensorflow():
    program = (
        "import sys\nfrom pdm_tf.editing.__main__ import main\n"
        "try: main(['prog', '--help'])\nexcept SystemExit: pass\n"
        "assert 'tensorflow' not in sys.modules"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for name in (*TASKS, "--image", "--model"):
        assert name in shown.stdout
