"""Commands of the documents: found on a page, made small, and run in a folder.

A page may say `<!-- not run: REASON -->` before a paragraph or a block whose commands
cannot be run by a test, and `<!-- run by tests/FILE.py -->` where another test runs
them.
"""

import contextlib
import dataclasses
import importlib
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from pdm_tf import commands
from pdm_tf.assemble.methods import method_paths, open_method
from pdm_tf.flags.running import OPTIONAL, STOPPED

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
BEGINS = re.compile(r"(?:\S+=\S+ +)?((?:python|pdm-tf|make|pip)(?: .*|$))")
MARKED = re.compile(
    r"<!-- (not run: [^>]+?|run by \S+) -->\s*(```.*?^```$|.*?(?=\n\n|\Z))", re.M | re.S
)
SCRIPTS = {"train.py": "train", "sample.py": "sample"}
# In a command of a page -> in the one that is run. All models are tiny ones.
REPLACED = {
    r"pretrained:(mnist|photos)": r"tiny/\1",
    r"pretrained:emoji": "tiny/photos",
    r"\bMODEL\b": "tiny/mnist",
    r"=(FILE|F|COPY/config.flags)\b": "=tiny.flags",
    r"--image=tiny.flags": "--image=picture.png",
    r"--mask=tiny.flags": "--mask=mask.png",
    r"^(python -m pdm_tf\.\w+ )(\w+)(.*=)DIR\b": r"\1\2\3out/\2",
    r"--circuit=DIR\b": "--circuit=runs/circuit",
    r"\bDIR\b": "out",
    r"\bCLASS\b": "3",
    r"\bNAME\b": "ddim",
    r"\bN\b": "2",
    r"\b(METHOD|TASK|COMMAND)\b.*": "--help",
    r"^(python -m pdm_tf.export) --guidance_each=….*": r"\1 --help",
    r"=…|=ddim,…": "=ddim",
    r" ….*": "",
    r" \| source": "",
    r"^(python -m experiments.samplers) .*": r"\1",  # the page, from its record
    r" \[(--\S+)\]": r" \1",  # what may be left out
    r"\$SLURM_ARRAY_TASK_ID": "2",
    r"--shard=(\d)/8": r"--shard=\1/2",
    r"--num_images=50000": "--num_images=4 --batch_size=2",
    r"--devices=GPU:0,GPU:1": "--devices=CPU:0",
    r"--at_step=5000": "--at_step=1",
    r"^(python train.py .*--ema_lengths=\S+)$": r"\1 --ema_decays=0.999",
    r"--image_size=256": "--image_size=16",
    r"--image_shape=64,64,3": "--image_shape=16,16,3",
    r"--features=inception": "--features=random",
    r"^(python -m experiments.splitting \S+ \S+) \d+": r"\1 2",
    r"^(pip install)": r"\1 --dry-run --no-deps --no-build-isolation --quiet",
    r"^pdm-tf web$": "pdm-tf web --model=tiny/mnist",
    r"^(pdm-tf \w+|python -m (pdm_tf|experiments$)[\w.]*|python \w+.py)$": r"\1 --help",
    r"^(python -m pdm_tf.(adapters add|evaluation audit|guidance minority))$": (
        r"\1 --help"
    ),
    r"^(python -m pdm_tf.guidance classifier --noconditional.*)$": (
        r"\1 --base=tiny/mnist --out=out/classifier"
    ),
    r"^(pdm-tf export --format.*|python -m pdm_tf.export --sampler=\w+)$": (
        r"\1 --model=tiny/mnist"
    ),
    r"^(pdm-tf ema) --decay=0.9996$": r"\1 --help",
    r"^(pdm-tf ema --decay.*)$": r"\1 --run_dir=runs/mine --out=runs/decay",
    r"^(python -m pdm_tf.quantization min_max --weight_bits=4)$": (
        r"\1 --base=tiny/mnist --out=out"
    ),
    r"^(python sample.py --sampler.*)$": r"\1 --model=tiny/mnist",
}
# What makes a command small: flags behind one that begins so.
SMALLER = {
    "train --flagfile=configs": "--run_dir=trained --iterations=2 --batch_size=2 "
    "--sample_every=0 --noexport",
    "train": "--iterations=2 --batch_size=2 --sample_every=0 --noexport",
    "sample": "--steps=2 --num_images=4 --batch_size=2",
    "editing compose": "--steps=8 --count=2",
    "editing directions": "--steps=4 --count=2 --outside=4",
    "editing": "--steps=2 --count=2",
    "inverse learn_circuit": "--pictures=200 --codes=8 --states=4 --iterations=2",
    "inverse red_diff": "--steps=2",
    "inverse dps": "--steps=2",
    "inverse tiramisu": "--steps=2",
    "evaluation metrics": "--num_images=4 --steps=2 --batch_size=4",
    "evaluation compare": "--num_images=4 --steps=2",
    "evaluation likelihood": "--num_images=4 --terms=2",
    "evaluation memorisation": "--num_images=4",
    "doctor": "--minutes=0.01",
    "analysis all": "--iterations=2 --initial_iterations=2 --training_batch=2 "
    "--judged=4 --pictures=20 --num_images=4 --steps=2 --image_shape=16,16,1",
    "data measure": "--measure_seconds=0.1",
    "-m experiments.rooms": "--images=docs/images",
    "-m experiments.systems": "--docs=docs",
    "-m experiments.editing": "--docs=docs --many=4 --few=2 --steps=2",
    "-m experiments.guidance": "--docs=docs --count=10 --steps=2 --weights 1.5",
    "-m experiments.splitting": "--docs=docs --count=10 --steps=2",
    "-m experiments.splits": "--docs=docs --count=10 --steps=2 --iterations=2",
    "-m experiments.scaling": "--docs=docs --rounds=1",
    "-m experiments.momentum": "--docs=docs --count=4 --solution=20",
    "-m experiments.predictions": "--docs=docs --cells=0",
    "-m experiments.jit": "--docs=docs --count=20",
    "-m experiments": "--docs=docs",
    "-m benchmarks.accelerator.prepare": "call:lsun_church_p4:16 --precisions float32",
    "-m benchmarks.accelerator ": "--seconds=20 --turns=1 --device=cpu",
}
# The same for settings of methods, wherever one has them.
FEWER = {
    "iterations": 2,
    "batch_size": 4,
    "microbatch": 2,
    "activation_iterations": 1,
    "tuning_iterations": 1,
    "temporal_iterations": 1,
    "calibration_images": 2,
    "calibration_steps": 3,
    "calibrated_steps": 2,
    "cached_steps": 5,
    "step_groups": 3,
    "rounds": 1,
    "rank": 2,
    "keep": 1,
    "pairs": 4,
    "pair_steps": 2,
    "reference_images": 4,
    "validation_images": 4,
    "trajectory_steps": 1,
    "sensitivity_rows": 2,
    "sensitivity_images": 1,
    "sensitivity_steps": 1,
}


class Found(NamedTuple):
    """Commands of a page, in order, and those that are not run: line -> why."""

    lines: list[str]
    excused: dict[str, str]


def commands_of(text: str) -> list[str]:
    """Lines of blocks without a language, and code within sentences."""
    blocks = [block for language, block in FENCED.findall(text) if not language]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    inline = INLINE.findall(FENCED.sub("", text))
    found = []
    for line in [*lines, *(" ".join(code.split()) for code in inline)]:
        for part in re.sub(r"(^|\s)#.*", "", line).split("&&"):
            match = BEGINS.fullmatch(part.strip())
            if match:
                found.append(" ".join(match[1].split()))
    return found


def read_page(page: Path) -> Found:
    """What a page has a reader run."""
    text = page.read_text()
    excused = {
        line: why for why, part in MARKED.findall(text) for line in commands_of(part)
    }
    lines = dict.fromkeys(commands_of(MARKED.sub("", text)))
    return Found(list(lines), excused)


def small(line: str) -> list[str]:
    """The words of a command that takes seconds in the place of hours."""
    for pattern, replacement in REPLACED.items():
        line = re.sub(pattern, replacement, line)
    words = shlex.split(line)
    if words[0] == "python" and words[1:2] == ["-m"] and words[2:]:
        room = words[2].removeprefix("pdm_tf.")
        words = ["pdm-tf", room, *words[3:]] if room != words[2] else words
    elif words[0] == "python" and words[1:] and words[1] in SCRIPTS:
        words = ["pdm-tf", SCRIPTS[words[1]], *words[2:]]
    if "--help" in words:
        return words
    rest = " ".join(words[1:])
    fitting = [flags for start, flags in SMALLER.items() if rest.startswith(start)]
    return [*words, *" ".join(fitting[:1]).split(), *_fewer(words[1:])]


def _fewer(words: list[str]) -> list[str]:
    """Flags that make a method small, of those that it has."""
    room, method = [*words, "", ""][:2]
    if not method_paths().get(method, "").startswith(f"pdm_tf.{room}."):
        return []
    fields = {field.name for field in dataclasses.fields(open_method(method).Config)}
    known = {name: value for name, value in FEWER.items() if name in fields}
    return ["--report_images=0", *(f"--{name}={v}" for name, v in known.items())]


# --- running --------------------------------------------------------------------------


def run(words: list[str]) -> None:
    """Runs a command in the current folder, as its reader's shell would.

    Raises:
      AssertionError: it fails.
      ModuleNotFoundError: an extra that it needs is not installed.
    """
    program, *rest = words
    if program == "pip":
        _process([sys.executable, "-m", *words], cwd=ROOT)
    elif program == "make":
        _make(rest)
    elif program == "pdm-tf" and rest[:1] == ["web"] and "--help" not in rest:
        _serve(rest)
    elif program == "pdm-tf":
        with _ended():
            assert not commands.main(words), words
    elif rest[:1] == ["-m"] and rest[1:]:
        with _ended(), mock.patch.object(sys, "argv", rest[1:]):
            runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    elif rest and rest[0] != "-m":
        with mock.patch.object(sys, "argv", rest):
            runpy.run_path(rest[0], run_name="__main__")


@contextlib.contextmanager
def _ended() -> Iterator[None]:
    """--help and argument parsers end by SystemExit, which is no failure with 0."""
    try:
        yield
    except SystemExit as end:
        assert not end.code, end.code


def _process(words: list[str], **settings) -> str:
    done = subprocess.run(words, capture_output=True, text=True, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _make(targets: list[str]) -> None:
    """Reads a target by make itself; runs those of its lines that are commands."""
    target = ["make", "--dry-run", "--always-make", *targets]
    shown = _process(target, cwd=ROOT).replace("\\\n", " ")
    for line in shown.splitlines():
        _, found, rest = line.partition(".venv/bin/pdm-tf ")
        if found:
            run(small(f"pdm-tf {rest}"))


def _serve(rest: list[str]) -> None:
    """Starts the page, asks for it, and ends it by Ctrl-C."""
    importlib.import_module("gradio")
    words = [sys.executable, "-m", "pdm_tf", *rest, "--port=0"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as page:
        try:
            said = next(line for line in page.stdout if "http://" in line)
            address = re.search(r"http://[^;\s]+", said)[0]
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert answer.status == 200
        finally:
            page.send_signal(signal.SIGINT)
    assert page.returncode in (STOPPED, -signal.SIGINT)


def missing_extra(error: ModuleNotFoundError) -> str:
    """The extra that a command needs and that is not here; raises any other error."""
    package = (error.name or "").partition(".")[0]
    if package not in OPTIONAL:
        raise error
    return OPTIONAL[package][1]
