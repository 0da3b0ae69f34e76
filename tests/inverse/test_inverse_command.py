"""python -m pdm_tf.inverse SOLVER: measurements in, pictures and a report out."""

import json
import sys

import numpy as np
import pytest
from drawn_circuits import write_drawn
from PIL import Image
from toys import MixtureToy

from pdm_tf import assemble, flags
from pdm_tf.config import Config
from pdm_tf.config.inverse import METHODS
from pdm_tf.data.images import save_png
from pdm_tf.denoisers.callback import CallbackDenoiser
from pdm_tf.inverse.__main__ import main
from pdm_tf.inverse.shelf import SOLVERS

SHAPE = (16, 24, 3)
TOY = MixtureToy(image_shape=SHAPE)
RESAMPLING = ("repaint", "tiramisu")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A picture of the model's size and others, and a model without training."""
    opened = assemble.OpenedModel("toy", TOY, Config())
    monkeypatch.setattr(assemble, "open_model", lambda path: opened)
    rng = np.random.default_rng(0)
    save_png(tmp_path / "photo.png", rng.integers(0, 256, SHAPE, np.uint8))
    save_png(tmp_path / "odd.png", rng.integers(0, 256, (15, 24, 3), np.uint8))
    save_png(tmp_path / "white.png", np.full((16, 24, 1), 255, np.uint8))
    write_drawn(tmp_path / "circuit", SHAPE, 4)
    (tmp_path / "text.png").write_text("dear")
    np.save(tmp_path / "small.npy", np.zeros((4, 4, 3)))
    np.save(tmp_path / "nan.npy", np.full((8, 12, 3), np.nan))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arguments(method, **changes):
    given = {"model": "toy", "operator": "random_mask:0.5", "image": "photo.png"}
    given |= {"out": "out", "count": 2, "steps": 6}
    given |= {"circuit": "circuit"} if method == "tiramisu" else {}
    given |= changes
    return ["prog", method, *(f"--{n}={v}" for n, v in given.items() if v != "")]


def test_the_shelf_is_what_the_command_offers():
    assert set(METHODS) - {"simulate", "learn_circuit"} == set(SOLVERS)
    for name, solver in SOLVERS.items():
        assert METHODS[name][-1] is solver.Config
        assert solver.PAPER and callable(solver.solve)


@pytest.mark.parametrize("method", [name for name in SOLVERS if name != "idm"])
def test_every_solver_writes_pictures_a_sheet_and_a_report(folder, method, capsys):
    labels = "1,0" if method in ("red_diff", "pigdm") else ""
    main(arguments(method, labels=labels))
    out = folder / "out"
    names = sorted(p.name for p in out.iterdir() if p.name[0] != ".")
    made = ["0000.png", "0001.png", "manifest.json", "report.json", "sheet.png"]
    assert names == made
    report = json.loads((out / "report.json").read_text())
    assert report["solver"] == method and len(report["psnr"]) == 2
    assert report["measured"] == 576 and report["pixels"] == 1152
    assert len(report["ssim"]) == len(report["consistency"]) == 2
    assert report["evaluations"] == (24 if method in RESAMPLING else 6)
    assert ("balance" in report) == (method == "red_diff")
    height, width, _ = np.asarray(Image.open(out / "sheet.png")).shape
    # Truth, pseudo-inverse, results, spread, each with its name on the left.
    assert height == 4 * (16 + 2) + 2 and width > 2 * (24 + 2) + 2 + 20
    assert "psnr" in capsys.readouterr().out
    stamps = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    main(arguments(method, labels=labels))  # complete: nothing is computed
    assert stamps == {p.name: p.stat().st_mtime_ns for p in out.iterdir()}


def test_a_measurement_alone_is_solved_as_its_picture_was(folder):
    settings = {"operator": "downsample:2", "sigma": 0.1, "operator_seed": 3}
    main(arguments("ddnm", **settings))
    only = {"model": "", "count": "", "steps": ""}
    main(arguments("simulate", **settings, **only, out="measured"))
    given = {"operator": "", "image": "", "measurement": "measured/measurement.npz"}
    main(arguments("ddnm", **given, out="again"))
    for name in ("0000.png", "0001.png"):
        same = (folder / "out" / name).read_bytes()
        assert (folder / "again" / name).read_bytes() == same
    assert "psnr" not in json.loads((folder / "again/report.json").read_text())


def refusal(argv, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as stopped:
        flags.run(main)
    assert stopped.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    "method, changes, words",
    [
        ("red_diff", {"model": ""}, ["--model is missing"]),
        ("red_diff", {"image": ""}, ["--image", "a picture to measure"]),
        ("red_diff", {"measurement": "nan.npy"}, ["--measurement=nan.npy", "not both"]),
        ("red_diff", {"image": "nowhere.png"}, ["--image=nowhere.png: no such file"]),
        ("red_diff", {"image": "text.png"}, ["--image=text.png: not a picture"]),
        ("red_diff", {"image": "odd.png"}, ["24x15", "24x16", "--fit=crop"]),
        ("red_diff", {"operator": ""}, ["--operator is missing"]),
        ("red_diff", {"operator": "fog"}, ["--operator=fog", "no such operator"]),
        ("dps", {"operator": "inpaint:white.png"}, ["hides every pixel"]),
        ("dps", {"labels": "7"}, ["--labels=7"]),
        ("ddnm", {"sampler": "best"}, ["--sampler=best"]),
        ("ddnm", {"steps": "0"}, ["steps=0"]),
        ("ilvr", {"operator": "hdr:2"}, ["ilvr needs a linear operator"]),
        ("red_diff", {"jump": 3}, ["--jump", "repaint, tiramisu and not of red_diff"]),
        ("tiramisu", {"operator": "hdr:2"}, ["tiramisu needs a mask"]),
        ("tiramisu", {"circuit": ""}, ["--circuit is missing", "learn_circuit"]),
        ("tiramisu", {"circuit": "away"}, ["--circuit", "away", "no such file"]),
        ("idm", {}, ["has not learnt to restore", "pdm_tf.distillation idm"]),
        ("guess", {}, ["'guess'", "red_diff"]),
    ],
)
def test_bad_input_is_one_line(folder, monkeypatch, capsys, method, changes, words):
    line = refusal(arguments(method, **changes), monkeypatch, capsys)
    assert all(word in line for word in words), line
    assert not list(folder.glob("out/*.png"))


@pytest.mark.parametrize(
    "file, words",
    [
        ("small.npy", ["4x4x3", "24x3", "gives 8x12x3"]),
        ("nan.npy", ["288 numbers that are not finite"]),
        ("text.png", ["cannot be read"]),
        ("nowhere.npy", ["no such file"]),
    ],
)
def test_bad_measurements_are_one_line(folder, monkeypatch, capsys, file, words):
    given = {"image": "", "measurement": file, "operator": "downsample:2"}
    line = refusal(arguments("red_diff", **given), monkeypatch, capsys)
    assert line.startswith(f"error: --measurement={file}")
    assert all(word in line for word in words), line


def test_a_model_without_derivatives_is_one_line(folder, monkeypatch, capsys):
    callback = CallbackDenoiser(
        lambda z, t, _: tuple(v.numpy() for v in TOY(z, TOY.schedule.level(t))),
        *(SHAPE, 0, TOY.schedule),
    )
    opened = assemble.OpenedModel("toy", callback, Config())
    monkeypatch.setattr(assemble, "open_model", lambda path: opened)
    line = refusal(arguments("dps"), monkeypatch, capsys)
    assert "dps needs derivatives of the model" in line
    main(arguments("red_diff"))
    assert (folder / "out" / "0001.png").is_file()


def test_what_another_command_made_is_not_touched(folder, monkeypatch, capsys):
    main(arguments("ddnm"))
    before = {p.name: p.read_bytes() for p in (folder / "out").iterdir()}
    for method, changes in (
        ("ddnm", {"seed": 1}),
        ("ilvr", {}),
        ("ddnm", {"sigma": 1}),
    ):
        line = refusal(arguments(method, **changes), monkeypatch, capsys)
        assert "holds what another command made" in line
    assert before == {p.name: p.read_bytes() for p in (folder / "out").iterdir()}
