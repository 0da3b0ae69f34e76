"""What the commands of documents read, where no earlier command of theirs made it: tiny
models, pictures, a flagfile, in the folder that they are run in."""

import re
import shutil
from pathlib import Path

import numpy as np
from documented import ROOT, run, small
from PIL import Image
from tiny_runs import SMALLEST, make_run

DIGITS = {
    "image_shape": (32, 32, 1),
    "patch_size": 4,
    "num_classes": 10,
    "channel_multipliers": (1.0, 1.0),
    "attention_resolutions": (4,),
}
PHOTOS = {**DIGITS, "image_shape": (16, 16, 3), "patch_size": 2, "num_classes": 0}
PARTS = {"low": {"snr_low": 0.25}, "high": {"snr_high": 0.25}}
# Flags that name something to read -> what a name that is not there stands for.
READ = re.compile(
    r"(?:--(?:model|base|guide|reference|samples|parts|run_dir|adapter|savedmodel|"
    r"beside|target_model|energy|float_layers|circuit|image|mask|second_image|shards)=)?([^-].*)"
)
STANDS_IN = {  # a path that looks like this is made by such a command, or is a model
    r".*\.png": "",
    r"(.*)/export": "pdm-tf export --model={0}",
    r"(.*)/litert/float32.tflite": "pdm-tf export --model={0} --format=litert",
    r"(.*)/litert/dynamic_int8.tflite": "pdm-tf export --model={0} --format=litert "
    "--quantize=dynamic_int8 --min_sqnr=-99 --max_distance_change=1e9",
    r"runs/[ab]|runs/mnist-lcm": "python -m pdm_tf.distillation lcm_lora "
    "--base=tiny/mnist --out={}",
    r"runs/circuit": "python -m pdm_tf.inverse learn_circuit --out={}",
    r"parts": "python sample.py --model=tiny/mnist --num_images=50000 --shard=2/8 "
    "--out_dir=parts/2",
}


def make_home(home: Path) -> None:
    """Models, pictures, records of measurements and links to the checkout's files."""
    make_run(home / "tiny" / "mnist", 1, ema_every=1, scale=0.1, network=DIGITS)
    make_run(home / "tiny" / "photos", 2, ema_every=1, scale=0.1, network=PHOTOS)
    for name in ("one", "two"):
        (home / "PATH" / name).mkdir(parents=True)
    rng, rows = np.random.default_rng(0), ["file_name,age,smiling,labels"]
    for number in range(16):
        picture = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
        name = f"{('one', 'two')[number % 2]}/{number}.png"
        picture.save(home / "PATH" / name)
        rows.append(f"{name},{5 * number},{number % 2},cat;indoors")
    (home / "PATH" / "metadata.csv").write_text("\n".join(rows))
    (home / "tiny.flags").write_text(SMALLEST)
    shutil.copytree(ROOT / "docs", home / "docs")
    for name in ("configs", "examples"):
        (home / name).symlink_to(ROOT / name)


def provide(words: list[str]) -> None:
    """Makes what a command reads and no command before it has made."""
    made = {"train", "experiments.splitting", "experiments.splits"}
    if made & set(words):  # these make a run
        return
    named = [match[1] for match in map(READ.fullmatch, words) if match]
    for name in ",".join(named).split(","):
        if re.match(r"(runs|models|parts|samples)\b|\w+\.png", name):
            _stand_in(Path(name))


def _stand_in(path: Path) -> None:
    if path.exists() and path.name != "parts":
        return
    for pattern, command in STANDS_IN.items():
        found = re.fullmatch(pattern, str(path))
        if found and command:
            model = found[1] if found.groups() else ""
            if model:
                _stand_in(Path(model))
            run(small(command.format(model or path)))
            return
        if found:
            rng = np.random.default_rng(0)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(path)
            return
    if path.name in PARTS:
        make_run(path, 3, network=DIGITS, **PARTS[path.name])
        return
    shutil.copytree("tiny/mnist", path)
