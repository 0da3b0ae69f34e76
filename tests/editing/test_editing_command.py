"""python -m pdm_tf.editing: pictures in, pictures out, one line for bad input."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from toys import MixtureToy

from pdm_tf import assemble, flags
from pdm_tf.config import Config
from pdm_tf.data.fitting import read_exactly
from pdm_tf.data.images import save_png
from pdm_tf.denoisers.label_guidance import label_guided
from pdm_tf.editing import TASKS
from pdm_tf.editing.__main__ import main
from pdm_tf.errors import InputError
from pdm_tf.networks.classifier import NoisyClassifier

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
        "wide": np.full((10, 40, 1), 255, np.uint8),
        "black": np.zeros_like(mask),
    }
    (tmp_path / "text.png").write_text("dear")
    for name, picture in files.items():
        save_png(tmp_path / f"{name}.png", picture)
    return tmp_path


ONLY = {
    "inpaint": {"mask": "mask.png"},
    "compose": {"mask": "mask.png"},
    "interpolate": {"second_image": "second.png"},
    "directions": {"mask": "mask.png"},
}
FEWER = {"directions": {"directions": 1, "outside": 4}}


def arguments(folder, task, **changes):
    only = {name: folder / file for name, file in ONLY.get(task, {}).items()}
    given = {
        "model": folder,
        "image": folder / ("small.png" if task == "super_resolve" else "first.png"),
        "out": folder / "out",
        "count": 3,
        "steps": 8,
        **only,
        **FEWER.get(task, {}),
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
    made = ["0000.png", "0001.png", "0002.png"]
    assert names == [*made, "manifest.json", "sheet.png"]
    pictures = [read(folder / "out" / name) for name in made]
    assert {picture.shape for picture in pictures} == {SHAPE}
    shown = 5 if task == "interpolate" else 4
    assert read(folder / "out" / "sheet.png").shape == (20, 26 * shown + 2, 3)
    if task == "interpolate":
        assert (pictures[0] == read(folder / "first.png")).all()
        assert (pictures[-1] == read(folder / "second.png")).all()


def test_directions_are_rows_of_a_sheet_and_need_no_mask(folder):
    words = arguments(folder, "directions", directions=2, count=2)
    main([word for word in words if "mask" not in word])
    names = {path.name for path in (folder / "out").iterdir()}
    assert names >= {"0003.png", "sheet.png"} and "0004.png" not in names
    assert read(folder / "out" / "sheet.png").shape == (2 * 18 + 2, 3 * 26 + 2, 3)


def test_a_classifier_leads_translations_to_their_classes(folder, monkeypatch):
    toy = MixtureToy(image_shape=SHAPE)
    found = label_guided(toy, NoisyClassifier(SHAPE, 2, 4))
    opened = {
        str(folder): assemble.OpenedModel("toy", toy, Config()),
        "classifier": assemble.OpenedModel("classifier", found, Config()),
    }
    monkeypatch.setattr(assemble, "open_model", lambda path: opened[path])
    words = arguments(folder, "cycle", energy="classifier", refine=0.2)
    main([*words, "--labels=1"])
    assert (folder / "out" / "0002.png").is_file()
    with pytest.raises(InputError, match="labels"):
        main([*words, f"--out={folder / 'other'}"])


def test_what_is_there_is_continued_and_never_mixed(folder, capsys, monkeypatch):
    words = arguments(folder, "sdedit")
    main(words)
    out = folder / "out"
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    stamps = {file.name: file.stat().st_mtime_ns for file in out.iterdir()}
    main(words)  # complete: nothing is computed
    assert stamps == {file.name: file.stat().st_mtime_ns for file in out.iterdir()}
    (out / "0001.png").unlink()
    main(words)  # stopped: it goes on
    assert before == {file.name: file.read_bytes() for file in out.iterdir()}
    capsys.readouterr()
    for task, changes, said in (
        ("sdedit", {"strength": 0.3}, "strength 0.5 there, 0.3 now"),
        ("sdedit", {"image": folder / "second.png"}, "another image"),
        ("variations", {}, "task sdedit there, variations now"),
    ):
        line = refusal(arguments(folder, task, **changes), monkeypatch, capsys)
        assert line.startswith("error: --out=") and said in line
    assert before == {file.name: file.read_bytes() for file in out.iterdir()}
    (out / "manifest.json").unlink()
    line = refusal(words, monkeypatch, capsys)
    assert "not empty" in line and not (out / "manifest.json").exists()


@pytest.mark.parametrize("task", ["sdedit", "inpaint", "super_resolve"])
@pytest.mark.parametrize("fit", ["crop", "pad", "resize"])
def test_pictures_of_other_sizes_are_fitted_on_request(folder, task, fit):
    ready = arguments(folder, task, image="odd.png", mask="wide.png", fit=fit, steps=2)
    words = [w for w in ready if task == "inpaint" or "mask" not in w]
    words = [w.replace("=odd", f"={folder}/odd") for w in words]
    main([w.replace("=wide", f"={folder}/wide") for w in words])
    assert read(folder / "out" / "0000.png").shape == SHAPE


def test_ways_to_fit_are_what_they_say(folder):
    picture = np.zeros((8, 24, 3), np.uint8)
    picture[:, 12:] = 200
    save_png(folder / "two.png", picture)
    made = {
        fit: read_exactly("image", str(folder / "two.png"), (16, 16, 3), fit)[0]
        for fit in ("crop", "pad", "resize")
    }
    assert {x.shape for x in made.values()} == {(16, 16, 3)}
    assert (made["pad"][[0, -1]] == 255).all() and made["pad"][8, 0, 0] == 0
    assert made["resize"][0, 0, 0] == 0 and (made["resize"][:, -3:] == 200).all()
    assert made["crop"][0, 0, 0] == 0 and made["crop"][0, -1, 0] == 200


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
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    "task, changes, words",
    [
        ("inpaint", {"image": "odd.png"}, ["--image", "24x15", "24x16", "--fit=crop"]),
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
        (
            "sdedit",
            {"mask": "mask.png"},
            ["--mask", "inpaint, compose, directions and not of sdedit"],
        ),
        ("super_resolve", {"image": "first.png"}, ["24x16", "12x8 or 6x4"]),
        ("directions", {"mask": "black.png"}, ["--mask=black.png", "nothing may"]),
        ("directions", {"timestep": 1000}, ["--timestep=1000", "below 1000"]),
        ("directions", {"labels": "0,1"}, ["--labels=0,1"]),
        ("cycle", {"energy": ".", "labels": 1}, ["--energy=.", "has no classifier"]),
        ("cycle", {"source_label": "3"}, ["--source_label=3", "0 to 1"]),
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
