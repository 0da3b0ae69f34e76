"""Every command that writes, beside another that writes to the same place."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from toys import MixtureToy

from pdm_tf import assemble, flags
from pdm_tf.commands import main
from pdm_tf.data.images import save_png
from pdm_tf.errors import InputError
from pdm_tf.export import export_saved_model
from pdm_tf.serving import SavedModelGenerator
from pdm_tf.storage.locks import locked_file, locked_place

ROOT = Path(__file__).resolve().parents[2]
# {it} is what is written to by two; the lock is that of the command, if not beside it.
WRITERS = {
    "train": ("train --dataset=mnist --run_dir={it}", "{it}/.lock"),
    "sample": (
        "sample --model={run} --num_images=1 --steps=1 --out_dir={it}",
        "{it}/.lock",
    ),
    "editing": (
        "editing variations --model={run} --image={png} --steps=2 --out={it}",
        "{it}/.lock",
    ),
    "split": ("split --parts={run} --out={it}", ""),
    "prepare": ("data prepare --source={pictures} --image_size=8 --out={it}", ""),
    "metrics": ("evaluation metrics --samples={pictures} --out={it}", ""),
    "likelihood": (
        "evaluation likelihood --model={run} --reference=mnist --out={it}",
        "",
    ),
    "compare": ("evaluation compare --model={run} --reference={run} --out={it}", ""),
    "digits": ("evaluation train_digits --out={it}", ""),
    "deepcache": ("acceleration deepcache --base={run} --out={it}", ""),
    "min_max": ("quantization min_max --base={run} --out={it}", ""),
    "figure2": ("analysis figure2 --out={it}", "{it}/.figure2.lock"),
    **{
        f"export {kind}": (
            f"export --model={{run}} --format={kind} --export_dir={{it}}",
            "{it}/.float32.tflite.lock" if kind == "litert" else "",
        )
        for kind in ("savedmodel", "litert", "openvino")
    },
}


@pytest.fixture(scope="module")
def given(tmp_path_factory, tiny_run):
    folder = tmp_path_factory.mktemp("given")
    for i in range(4):
        picture = np.full((8, 8, 1), 50 * i, np.uint8)
        save_png(folder / "pictures" / f"{i}.png", picture)
    pictures = folder / "pictures"
    return {"run": tiny_run, "pictures": pictures, "png": pictures / "0.png"}


@pytest.mark.parametrize("name", WRITERS)
def test_the_second_of_two_is_told(name, given, tmp_path, capsys):
    command, lock = WRITERS[name]
    it = tmp_path / "it"
    words = [word.format(it=it, **given) for word in command.split()]
    if lock:
        it.mkdir()
        held = locked_file("out", it, Path(lock.format(it=it)))
    else:
        held = locked_place("out", it)
    with held, pytest.raises(SystemExit) as end:
        before = sorted(tmp_path.rglob("*"))
        flags.run(main, ["pdm-tf", *words])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.count("error: ") == 1 and "Traceback" not in said
    assert "another" in said and "there" in said
    after = sorted(tmp_path.rglob("*"))
    assert {p for p in before if p.exists()} - set(after) == set()
    assert not [p for p in set(after) - set(before) if not p.name.startswith(".")]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
DOUBLE = {
    "export": "export --model={run} --sampler=ddim --export_dir={it}",
    "deepcache": "acceleration deepcache --base={run} --out={it} --report_images=0",
    "prepare": "data prepare --source={pictures} --image_size=8 --out={it}",
    "split": "split --parts={run} --out={it}",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DOUBLE)
def test_two_at_once_leave_what_one_leaves(name, given, tmp_path):
    run = Path(shutil.copytree(given["run"], tmp_path / "run"))
    words = DOUBLE[name].format(it=tmp_path / "it", run=run, pictures=given["pictures"])
    command = [sys.executable, "-m", "pdm_tf", *words.split()]
    both = [
        subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [(one.communicate()[1], one.returncode) for one in both]
    assert sorted(code for _, code in ends) in ([0, 0], [0, 2]), ends
    for said, code in ends:
        assert "Traceback" not in said
        assert code == 0 or "another command is writing there" in said
    if name == "export":
        assert SavedModelGenerator("model", str(tmp_path / "it")).samplers == ("ddim",)
    elif name != "prepare":
        assert assemble.open_model(tmp_path / "it").digest
    hidden = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert not hidden


@pytest.mark.slow
def test_readers_beside_a_writer_see_one_export_or_the_other(tmp_path):
    where, stop = tmp_path / "export", threading.Event()
    toys = [MixtureToy(), MixtureToy(shift=0.2)]

    def write():
        while not stop.is_set():
            for toy in toys:
                export_saved_model(toy, where, samplers=["ddim"])

    known = set()
    for toy in toys:
        export_saved_model(toy, where, samplers=["ddim"])
        known.add(pictures_of(where))
    assert len(known) == 2
    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = [pictures_of(where) for _ in range(12)]
    except InputError as error:
        found = [str(error)]
    finally:
        stop.set()
        writer.join()
    assert set(found) <= known


def pictures_of(where):
    generator = SavedModelGenerator("model", str(where))
    labels = np.zeros(2, np.int32)
    return generator.generate(np.arange(2), labels, 3, 1.0, "ddim").tobytes()
