"""Names of classes: from the data to a run, its export and what is derived from it."""

import json

from pdm_tf.assemble.class_names import read_class_names
from pdm_tf.assemble.exporting import export_run
from pdm_tf.assemble.generators import generator_of, open_generator
from pdm_tf.assemble.models import class_names_of, open_model
from pdm_tf.assemble.runs import read_settings
from pdm_tf.training import manifest as manifests

NAMES = ("caf\\xe9", *"bcdefghi", "j, k")
DIGITS = tuple("0123456789")


def named(run, tmp_path, names):
    """A copy of a run, its checkpoint one of pictures of these classes."""
    copy = tmp_path / "run"
    for file in run.rglob("*"):
        if file.is_file():
            to = copy / file.relative_to(run)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(file.read_bytes())
    for file in (copy / "checkpoints").glob("*.json"):
        manifest = manifests.from_text(file.read_text())
        manifest["data"] = {"name": "folder:x", "pictures": 9, "classes": names}
        file.write_text(manifests.to_text(manifest))
    return copy


def test_names_go_from_the_checkpoint_to_the_export(tiny_run, tmp_path):
    run = named(tiny_run, tmp_path, NAMES)
    model = open_model(run)
    assert model.class_names == class_names_of(run) == NAMES
    assert generator_of(model).description["class_names"] == list(NAMES)
    export = open_generator("model", export_run(run, tmp_path / "export", ["ddim"]))
    assert export.description["class_names"] == list(NAMES)
    json.dumps(export.description)


def test_who_knows_no_names_says_none(tiny_run, tmp_path):
    settings = read_settings(tiny_run)
    run = named(tiny_run, tmp_path, ["a", "b"])  # not one for each of ten labels
    assert read_class_names(run, settings) == ()
    assert read_class_names(tiny_run, settings) == DIGITS  # it learnt from mnist
    assert class_names_of("pretrained:mnist") == DIGITS
    assert class_names_of("pretrained:photos") == ()
