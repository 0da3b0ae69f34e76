"""A packed model is the same model, with a card."""

import shutil

from test_end_to_end import called, error_of
from tiny_runs import SMALLEST, make_run

from pdm_tf.assemble import open_model
from pdm_tf.commands import pack, split, train, unpack
from pdm_tf.guidance import __main__ as guidance


def test_every_run_has_a_card_with_the_digest_that_it_is_opened_with(tmp_path):
    run = tmp_path / "mine"
    file = tmp_path / "small.flags"
    file.write_text(SMALLEST)
    words = [f"--flagfile={file}", f"--run_dir={run}", "--iterations=2"]
    assert not called(train.main, *words)[0]
    card = (run / "MODEL_CARD.md").read_text()
    assert card.startswith("# mine\n") and "| Trained on | mnist |" in card
    assert open_model(run).digest in card and "not stated" in card


def test_a_derived_model_has_a_card_that_says_how_it_was_made(tiny_run, tmp_path):
    out = tmp_path / "guided"
    words = ["apg", f"--base={tiny_run}", f"--out={out}", "--report_images=0"]
    assert not called(guidance.main, *words, "--norm=3")[0]
    card = (out / "MODEL_CARD.md").read_text()
    assert "norm=3.0" in card and "2410.02416" in card
    assert open_model(out).digest in card


def returned(model, place):
    """What is packed, unpacked and opened, with nothing of where it was."""
    place.mkdir()
    packing = f"--model={model}", f"--out={place / 'x.zip'}"
    assert called(pack.main, *packing)[0] == 0
    unpacking = f"--archive={place / 'x.zip'}", f"--out={place / 'out'}"
    assert called(unpack.main, *unpacking)[0] == 0
    return open_model(place / "out")


def test_a_derived_model_brings_its_base_along_and_stays_who_it_is(tiny_run, tmp_path):
    base = tmp_path / "away" / "run"
    shutil.copytree(tiny_run, base)
    out = tmp_path / "away" / "guided"
    words = ["apg", f"--base={base}", f"--out={out}", "--report_images=0"]
    assert not called(guidance.main, *words, "--norm=3")[0]
    known = open_model(out).digest
    file = tmp_path / "x.zip"
    assert called(pack.main, f"--model={out}", f"--out={file}")[0] == 0
    shutil.rmtree(tmp_path / "away")
    there = tmp_path / "there"
    assert called(unpack.main, f"--archive={file}", f"--out={there}")[0] == 0
    assert open_model(there).digest == known
    assert known in (there / "MODEL_CARD.md").read_text()
    (weights,) = (there / "base").glob("*.safetensors")
    weights.unlink()
    assert "base" in error_of(pack.main, f"--model={there}", f"--out={file}")


def test_a_base_of_the_package_is_named_alone(tmp_path):
    out = tmp_path / "guided"
    words = ["apg", "--base=pretrained:mnist", f"--out={out}", "--report_images=0"]
    assert not called(guidance.main, *words, "--norm=3")[0]
    again = returned(out, tmp_path / "again")
    assert again.digest == open_model(out).digest
    assert again.lineage[0]["base"]["path"] == "pretrained:mnist"
    assert not (tmp_path / "again" / "out" / "base").exists()


def test_a_split_brings_its_parts_along(tmp_path):
    for name, low, high in (("fine", 1.0, 0.0), ("coarse", 0.0, 1.0)):
        make_run(tmp_path / name, 3, snr_low=low, snr_high=high)
    parts = f"--parts={tmp_path / 'fine'},{tmp_path / 'coarse'}"
    assert called(split.main, parts, f"--out={tmp_path / 'both'}")[0] == 0
    own = open_model(tmp_path / "both")
    again = returned(tmp_path / "both", tmp_path / "again")
    assert again.digest == own.digest and len(again.parts) == 2
    assert (tmp_path / "again" / "out" / "part_1").is_dir()


def test_a_model_comes_back_with_its_digest_and_a_card(tiny_run, tmp_path):
    file, out = tmp_path / "tiny.zip", tmp_path / "models" / "tiny"
    words = [f"--model={tiny_run}", f"--out={file}", "--licence=CC0"]
    assert called(pack.main, *words, "--note=Noise.")[0] == 0
    assert called(unpack.main, f"--archive={file}", f"--out={out}")[0] == 0
    own, again = open_model(tiny_run), open_model(out)
    assert again.digest == own.digest
    card = (out / "MODEL_CARD.md").read_text()
    assert card.startswith("# tiny\n\nNoise.\n") and "| Licence | CC0 |" in card
    assert own.digest in card and "8×8×1" in card
    assert not (out / "checkpoints").exists()
    words = f"--archive={file}", f"--out={out}"
    assert "is there already" in error_of(unpack.main, *words)
