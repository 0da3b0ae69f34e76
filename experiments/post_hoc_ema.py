"""Measures averages of a model's weights made after training: docs/post_hoc_ema.md.

Trains what is missing; stopped, it goes on where it was. Averages are put together from
those of two lengths; the others are tracked, to have something to compare with.

Example: python -m experiments.post_hoc_ema configs/mnist.flags runs/post_hoc_ema 300
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.digits import CLASSES, SHAPE
from experiments.pages import DOCS, read_record, table, write_page, write_record
from pdm_tf import assemble, flags
from pdm_tf.assemble.building import build_denoiser, named_variables
from pdm_tf.config import AveragingConfig, Config
from pdm_tf.config.sampling import BEST, GUIDANCE
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.evaluation.bootstrap import frechet_with_interval
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import gaussian_of
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.storage.arrays import read_arrays
from pdm_tf.training.snapshots import FOLDER, find_snapshots, reconstruct

ARGUMENTS = ("configs/mnist.flags", "runs/post_hoc_ema", "300")
KEPT, TRACKED = (0.05, 0.1), (0.03, 0.075, 0.15, 0.2)
LENGTHS = (0.01, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25)
BATCH, PICTURE = 100, "post_hoc_ema.png"


def settings(flagfile: str, folder: Path, iterations: int) -> Config:
    """The run: shorter than its flagfile says, with averages of every length."""
    (config,) = flags.parse(["", f"--flagfile={flagfile}"], Config)
    training = replace(
        config.training,
        run_dir=str(folder / "run"),
        iterations=iterations,
        batch_size=32,
        warmup=iterations // 10,
        ema_every=2,
        sample_every=0,
        export=False,
    )
    averaging = AveragingConfig(ema_lengths=(*KEPT, *TRACKED))
    return replace(config, training=training, averaging=averaging)


def errors(run_dir: Path, length: float, iterations: int) -> float | None:
    """Relative error of a reconstructed average; None where none was tracked."""
    if length not in (*KEPT, *TRACKED):
        return None
    name = f"step_{iterations:06d}_length_{length:g}.safetensors"
    tracked = read_arrays(run_dir / FOLDER / name)
    off = whole = 0.0
    for path, found in _made(run_dir, length):
        off += float(np.sum(np.square(found - tracked[path], dtype=np.float64)))
        whole += float(np.sum(np.square(tracked[path], dtype=np.float64)))
    return float(np.sqrt(off / whole))


def _made(run_dir: Path, length: float) -> Any:
    """The average that is put together from those that are kept."""
    snapshots = [s for s in find_snapshots(run_dir) if s.averaged.length in KEPT]
    return reconstruct(snapshots, length)


def drawn(denoise: Denoiser, config: Config, count: int, steps: int) -> np.ndarray:
    """Pictures of all classes in turn: uint8 [count, 32, 32, 1]."""
    generator, made = DenoiserGenerator(denoise, config.sampling), []
    for first in range(0, count, BATCH):
        seeds = np.arange(first, min(first + BATCH, count))
        request = steps, GUIDANCE, BEST.sampler
        made.append(generator.generate(seeds, seeds % CLASSES, *request))
    return np.concatenate(made)


def measure(config: Config, words: argparse.Namespace, rows: list[Any]) -> None:
    """Adds the rows of lengths that are not on record yet."""
    run_dir, extract = Path(config.training.run_dir), open_features("digits")
    source = open_source("mnist", SHAPE, CLASSES)
    real = gaussian_of(source.read(np.arange(len(source)))[0], extract)
    denoiser = build_denoiser(config)
    variables = named_variables(denoiser.network)
    for length in LENGTHS:
        if any(row["length"] == length for row in rows):
            continue
        for name, value in _made(run_dir, length):
            variables[name].assign(value)
        pictures = drawn(denoiser, config, words.count, words.steps)
        found = frechet_with_interval(pictures, real, extract, replicates=200)
        error = errors(run_dir, length, config.training.iterations)
        row = {"length": length, "error": error, "distance": found.value}
        rows.append({**row, "low": found.low, "high": found.high})
        print(rows[-1], flush=True)
        write_record(words.docs / "post_hoc_ema.json", rows)


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page, and its curve."""
    header = ("length σ_rel", "relative error of the weights", "FD (digits)", "95 %")
    lines = (
        (
            f"{row['length']:g}" + (" (kept)" if row["length"] in KEPT else ""),
            "not tracked" if row["error"] is None else f"{row['error']:.1e}",
            f"{row['distance']:.1f}",
            f"{row['low']:.1f} to {row['high']:.1f}",
        )
        for row in rows
    )
    return f"{table(header, lines)}\n\n![distance over length](images/{PICTURE})"


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """The curve of the distance over the length, with intervals."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    x, y = [row["length"] for row in rows], np.array([row["distance"] for row in rows])
    low, high = (np.array([row[end] for row in rows]) for end in ("low", "high"))
    axes.errorbar(x, y, (y - low, high - y), fmt="o-", capsize=3)
    axes.set(xlabel="length of the average [share of the training]")
    axes.set(ylabel="Fréchet distance (digits)", yscale="log")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures what is not yet on record, writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("flagfile", nargs="?", help="settings; none: only the page")
    parser.add_argument("folder", nargs="?", type=Path, help="where the run goes")
    parser.add_argument("iterations", nargs="?", type=int, help="steps of the run")
    parser.add_argument("--count", type=int, default=200, help="digits a row")
    parser.add_argument("--steps", type=int, default=10, help="of the sampler")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    rows = read_record(words.docs / "post_hoc_ema.json")
    if words.flagfile:
        config = settings(words.flagfile, words.folder, words.iterations)
        if not assemble.train(config):
            raise SystemExit(130)  # Ctrl-C; the same command goes on
        measure(config, words, rows)
    if rows:
        draw(rows, words.docs / "images" / PICTURE)
    write_page(words.docs / "post_hoc_ema.md", "post_hoc_ema", text_of(rows))


if __name__ == "__main__":
    main()
