"""Measures DeepCache against the bar of system 20: docs/deepcache.md.

Stopped, it goes on where it was: what was measured lies in docs/deepcache.json. Without
a model it only writes the page again.

Example: python -m experiments.deepcache pretrained:mnist pretrained:photos
"""

import argparse
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

from experiments.cached_sampling import (
    Bench,
    Record,
    ceiling,
    measure_quality,
    measure_times,
)
from experiments.cached_table import comparison, summary, verdict
from experiments.pages import DOCS, read_record, write_page
from experiments.systems import record_system
from pdm_tf.acceleration.deepcache import DeepCached
from pdm_tf.acceleration.key_steps import EveryNth

ARGUMENTS = ("pretrained:mnist", "pretrained:photos")
STEPS, EVERY, LIVE = 100, 3, (1, 2)
JUDGED = [(data, f"{live} live") for data in ("mnist", "photos") for live in LIVE]


def measure(bench: Bench, record: Record) -> None:
    """Everything of one model that is not on record yet."""
    cached = {}
    for live in LIVE:
        name = f"{live} live"
        denoise = bench.base.map_innermost(
            lambda d, live=live: DeepCached(d, EveryNth(EVERY), live)
        )
        cached[name] = denoise
        record.write(name, ceiling=ceiling(denoise, STEPS, ceil(STEPS / EVERY)))
    measure_times(bench, record, cached, STEPS)
    measure_quality(bench, record, cached, STEPS)


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    return comparison(rows, STEPS)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not yet on record of each model, and writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", help="models; none: only the page")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument("--pictures", type=int, default=1000, help="of each distance")
    words = parser.parse_args(argv)
    record = words.docs / "deepcache.json"
    for model in words.models:
        bench = Bench(model, words.pictures)
        measure(bench, Record(record, bench.data))
    rows = read_record(record)
    write_page(words.docs / "deepcache.md", "deepcache", text_of(rows))
    if words.docs == DOCS:
        record_system(
            20,
            command="python -m pdm_tf.acceleration deepcache --base=MODEL --out=DIR",
            figure=summary(rows, JUDGED),
            holds=verdict(rows, JUDGED, 1.15, equal=True),
        )


if __name__ == "__main__":
    main()
