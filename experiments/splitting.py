"""Measures one model against specialists at equal cost of training: docs/splitting.md.

Trains what is missing below a folder; stopped, it goes on where it was.

Example: python -m experiments.splitting configs/mnist.flags runs/splitting 1200
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.digits import TrainingDigits, sample_digits
from experiments.pages import DOCS, table, write_page, write_record
from pdm_tf import assemble, flags
from pdm_tf.assemble import open_model
from pdm_tf.assemble.building import build_denoiser
from pdm_tf.config import Config
from pdm_tf.profiling.flops import count_denoise_flops

ARGUMENTS = ("configs/mnist.flags", "runs/splitting", "1200")
SNR = 0.25  # the paper's boundary
MODELS = {
    "P=2 alone": "p2",
    "P=4 alone": "p4",
    "split, P=4 at both": "p4_p4",
    "split, P=4 at high noise, P=2 at low": "p2_p4",
}


def _variant(
    base: Config, where: Path, patch: int, iterations: int, **training: Any
) -> Config:
    """The same network and training, but for its patches, length and range of SNR."""
    return replace(
        base,
        network=replace(base.network, patch_size=patch),
        training=replace(
            base.training,
            run_dir=str(where),
            iterations=iterations,
            sample_every=0,
            export=False,
            **training,
        ),
    )


def flops(base: Config, patch: int) -> int:
    """Operations of a call for one picture, with patches of this side."""
    network = replace(base.network, patch_size=patch)
    denoiser = build_denoiser(replace(base, network=network))
    return count_denoise_flops(denoiser.network, network.image_shape) or 0


def plan(base: Config, folder: Path, fine: int) -> Iterator[Config]:
    """The runs to train; steps are such that each row of the table costs the same."""
    coarse = round(fine * flops(base, 2) / flops(base, 4))
    yield _variant(base, folder / "p2", 2, fine)
    yield _variant(base, folder / "p4", 4, coarse)
    yield _variant(base, folder / "p4_low", 4, coarse // 2, snr_low=SNR)
    yield _variant(base, folder / "p4_high", 4, coarse // 2, snr_high=SNR)
    yield _variant(base, folder / "p2_low", 2, fine // 2, snr_low=SNR)


def measure(folder: Path, count: int, steps: int) -> list[dict[str, Any]]:
    """Rows: every model of `MODELS`."""
    real, rows = TrainingDigits(), []
    for name, where in MODELS.items():
        denoise = open_model(str(folder / where)).denoiser
        pictures, labels, rate = sample_digits(denoise, count, steps)
        found = real.compare(pictures, labels)._asdict()
        rows.append({"model": name, **found, "images_per_second": rate})
        print(rows[-1], flush=True)
    return rows


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    return table(
        ("model", "recognised", "FD (digits)", "images/s", "relative speed"),
        (
            (
                row["model"],
                f"{row['accuracy']:.1%}",
                f"{row['distance']:.2f}",
                f"{row['images_per_second']:.2f}",
                f"{row['images_per_second'] / rows[0]['images_per_second']:.2f}",
            )
            for row in rows
        ),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, joins, measures, records, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flagfile", help="settings of the model that is split")
    parser.add_argument("folder", type=Path, help="where the runs go")
    parser.add_argument("iterations", type=int, help="steps at patches of 2")
    parser.add_argument("--count", type=int, default=1000, help="digits a row")
    parser.add_argument("--steps", type=int, default=50, help="steps of DDPM")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    (base,) = flags.parse(["", f"--flagfile={words.flagfile}"], Config)
    for config in plan(base, words.folder, words.iterations):
        if not assemble.train(config):
            raise SystemExit(130)  # Ctrl-C; the same command goes on
    for low in ("p4", "p2"):
        parts = [str(words.folder / f"{low}_low"), str(words.folder / "p4_high")]
        assemble.join_runs(parts, words.folder / f"{low}_p4")
    rows = measure(words.folder, words.count, words.steps)
    write_record(words.docs / "splitting.json", rows)
    write_page(words.docs / "splitting.md", "splitting", text_of(rows))


if __name__ == "__main__":
    main()
