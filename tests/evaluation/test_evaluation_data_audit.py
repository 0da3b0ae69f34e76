"""The audit of a data set: a table, a sheet, and numbers that are of the pictures."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from pdm_tf import flags
from pdm_tf.commands import main
from pdm_tf.evaluation.data_audit import FIELDS, DataAudit
from pdm_tf.evaluation.metrics.outliers import neighbour_distance

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("themselves", [False, True])
def test_neighbours_are_those_of_every_distance(themselves):
    points = 1e3 + RNG.normal(size=(30, 4))
    others = points if themselves else 1e3 + RNG.normal(size=(40, 4))
    distances = np.sort(np.linalg.norm(points[:, None] - others, axis=2), axis=1)
    wanted = distances[:, int(themselves) :][:, :5].mean(1)
    found = neighbour_distance(points, others, themselves=themselves)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_ranks_classes_and_ends_follow_from_the_scores():
    scores = RNG.random(50).astype(np.float32)
    labels = np.arange(50, dtype=np.int32) % 2
    found = DataAudit(scores, None, labels, ("even", "odd"))
    assert found.rarest(1)[0] == scores.argmax() and found.ranks.max() == 1
    assert found.commonest(1)[0] == scores.argmin() and found.ranks.min() == 0
    rows = list(found.rows())
    assert [row["score"] for row in rows] == sorted(scores.tolist(), reverse=True)
    classes = found.classes()
    assert [row["label"] for row in classes] == ["even", "odd"]
    assert sum(row["rare"] * row["pictures"] for row in classes) == pytest.approx(5)


def test_the_command_writes_table_sheet_and_report(tiny_run, tmp_path, capsys):
    pictures = RNG.integers(0, 256, (20, 8, 8, 1), np.uint8)
    labels = np.arange(20, dtype=np.int32) % 3
    np.savez(tmp_path / "given.npz", arr_0=pictures, labels=labels)
    out = tmp_path / "audit.json"
    words = ["evaluation", "audit", f"--model={tiny_run}", f"--out={out}"]
    words += [f"--reference={tmp_path / 'given.npz'}", "--features=none"]
    main(["pdm-tf", *words])
    assert "20 pictures" in capsys.readouterr().out
    with out.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == FIELDS and len(rows) == 20
    assert sorted(int(row["number"]) for row in rows) == list(range(20))
    made = json.loads(out.read_text())
    assert made["rarest"][0]["number"] == int(rows[0]["number"])
    with Image.open(out.with_suffix(".png")) as sheet:
        assert sheet.size[0] > 12 * 8
    main(["pdm-tf", *words])  # its own report may be written again
    assert json.loads(out.read_text())["rarest"] == made["rarest"]


@pytest.mark.parametrize(
    "words, wanted",
    [
        (["--model=pretrained:mnist"], "reference"),
        (["--model=pretrained:mnist", "--reference=mnist", "--draws=0"], "draws"),
        (["--model=pretrained:mnist", "--reference=nowhere"], "reference"),
    ],
)
def test_what_is_wrong_is_one_line(words, wanted, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        out = tmp_path / "a.json"
        flags.run(main, ["pdm-tf", "evaluation", "audit", f"--out={out}", *words])
    said = capsys.readouterr().err
    assert end.value.code == 2 and f"--{wanted}" in said
    assert "Traceback" not in said
