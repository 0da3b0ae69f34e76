"""sample.py makes films, of runs and of exports."""

import numpy as np
import pytest
from PIL import Image, ImageSequence
from test_end_to_end import called
from tiny_runs import make_run

from pdm_tf.assemble.exporting import export_run
from pdm_tf.commands import sample


def filmed(model, out, *words):
    given = [f"--model={model}", f"--out_dir={out}", "--num_images=4", "--steps=3"]
    code, said = called(sample.main, *given, "--sampler=ddim", "--film=gif", *words)
    assert code == 0, said
    with Image.open(out / "film.gif") as file:
        frames = ImageSequence.Iterator(file)
        return [np.array(frame.convert("L")) for frame in frames]


def test_a_film_ends_with_the_pictures_and_stays_small(tiny_run, tmp_path):
    frames = filmed(tiny_run, tmp_path / "out")
    assert len(frames) == 4  # three levels, and the picture
    pictures = np.load(tmp_path / "out" / "samples.npz")["arr_0"]
    np.testing.assert_allclose(frames[-1][2:10, 2:10], pictures[0, ..., 0], atol=1)
    assert (tmp_path / "out" / "film.gif").stat().st_size < 2e6


def test_a_walk_goes_from_seed_to_seed(tiny_run, tmp_path):
    words = "--film_walk=3", "--labels=2", "--num_images=3"
    frames = filmed(tiny_run, tmp_path / "out", *words)
    pictures = np.load(tmp_path / "out" / "samples.npz")["arr_0"]
    for i in range(3):
        found = frames[min(3 * i, len(frames) - 1)][2:10, 2:10]
        np.testing.assert_allclose(found, pictures[i, ..., 0], atol=1)


@pytest.mark.slow
def test_an_export_gives_the_film_of_its_model(tmp_path):
    run = make_run(tmp_path / "run", 1)
    export_run(str(run), tmp_path / "export")
    own, exported = (
        filmed(model, tmp_path / name)
        for name, model in (("own", run), ("other", tmp_path / "export"))
    )
    for a, b in zip(own, exported, strict=True):
        np.testing.assert_allclose(a.astype(int), b, atol=1)
