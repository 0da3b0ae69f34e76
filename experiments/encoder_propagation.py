"""Measures encoder propagation against the bar of system 22.

Stopped, it goes on where it was: what was measured lies in
docs/encoder_propagation.json. Without a model it only writes the page again.

Example: python -m experiments.encoder_propagation pretrained:mnist pretrained:photos
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.cached_sampling import (
    BATCH,
    Bench,
    Record,
    ceiling,
    measure_quality,
    measure_times,
)
from experiments.cached_table import comparison, summary, verdict
from experiments.pages import DOCS, read_record, table, write_page
from experiments.systems import record_system
from pdm_tf.acceleration.encoder_propagation import NoiseInjected, derive
from pdm_tf.config.acceleration import EncoderPropagationConfig
from pdm_tf.samplers import DDIM

ARGUMENTS = ("pretrained:mnist", "pretrained:photos")
STEPS = 50
VARIANTS = {
    "9 keys": EncoderPropagationConfig(last_keys=0),
    "9 keys and the last 4": EncoderPropagationConfig(),
    "9 keys, input kept": EncoderPropagationConfig(last_keys=0, live_input=False),
}
JUDGED = [("photos", "9 keys")]
SHOWN = [(data, name) for data in ("photos", "mnist") for name in list(VARIANTS)]
INJECTED = "9 keys, noise injected"


def measure(bench: Bench, record: Record) -> None:
    """Everything of one model that is not on record yet."""
    cached = {}
    for name, config in VARIANTS.items():
        denoise: Any = derive(bench.base, config).denoiser
        cached[name] = denoise
        keys = len(denoise.key_steps.keys)
        record.write(name, keys=keys, ceiling=ceiling(denoise, STEPS, keys))
    measure_times(bench, record, cached, STEPS)
    measure_quality(bench, record, cached, STEPS)
    if "high" not in record.find(INJECTED):
        measure_injection(bench, record)


def measure_injection(bench: Bench, record: Record) -> None:
    """Power of high frequencies, of a few pictures with noise injected and without."""
    cached = derive(bench.base, VARIANTS["9 keys"]).denoiser
    injected = NoiseInjected(DDIM(), bench.base.schedule, steps=STEPS)
    for name, denoise, sampler in (
        ("uncached", bench.base, DDIM()),
        ("9 keys", cached, DDIM()),
        (INJECTED, cached, injected),
    ):
        made = bench.pictures(denoise, STEPS, BATCH, sampler)
        record.write(name, high=high_power(made))


def high_power(pictures: np.ndarray) -> float:
    """Mean power of pictures beyond half of the highest frequency of rows, columns."""
    power = np.abs(np.fft.fft2(pictures, axes=(1, 2), norm="ortho")) ** 2
    rows, columns = (np.abs(np.fft.fftfreq(n)) for n in pictures.shape[1:3])
    beyond = np.maximum(rows[:, None], columns) > 0.25
    return float(np.mean(power[:, beyond]))


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The tables of the page."""
    powers = [row for row in rows if "high" in row]
    lines = [[row["data"], row["name"], f"{row['high']:.4f}"] for row in powers]
    header = ("model", "what", "power of high frequencies")
    return f"{comparison(rows, STEPS)}\n\n{table(header, lines)}"


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not yet on record of each model, and writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", help="models; none: only the page")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument("--pictures", type=int, default=1000, help="of each distance")
    words = parser.parse_args(argv)
    record = words.docs / "encoder_propagation.json"
    for model in words.models:
        bench = Bench(model, words.pictures)
        measure(bench, Record(record, bench.data))
    rows = read_record(record)
    page = words.docs / "encoder_propagation.md"
    write_page(page, "encoder_propagation", text_of(rows))
    if words.docs == DOCS:
        record_system(
            22,
            command="python -m pdm_tf.acceleration encoder_propagation --base=MODEL "
            "--out=DIR",
            figure=summary(rows, SHOWN),
            holds=verdict(rows, JUDGED, 1.10, equal=False),
        )


if __name__ == "__main__":
    main()
