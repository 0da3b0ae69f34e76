"""A packed model is the same model, with a card."""

from test_end_to_end import called, error_of
from tiny_runs import SMALLEST

from pdm_tf.assemble import open_model
from pdm_tf.commands import pack, train, unpack
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
