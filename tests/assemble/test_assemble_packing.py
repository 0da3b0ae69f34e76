"""A packed model is the same model, with a card."""

from test_end_to_end import called, error_of

from pdm_tf.assemble import open_model
from pdm_tf.commands import pack, unpack


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
