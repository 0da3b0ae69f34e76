"""The nearest training picture of each sample: a share, and a sheet to look at."""

from typing import Any

import numpy as np

from pdm_tf.config import MemorisationConfig
from pdm_tf.config.evaluating import EvaluationConfig
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.errors import MissingSetting
from pdm_tf.evaluation import report
from pdm_tf.evaluation.choosing_features import features_for
from pdm_tf.evaluation.features import Extractor, open_features, pooled_of
from pdm_tf.evaluation.generated_images import Opener
from pdm_tf.evaluation.image_sources import open_image_sources
from pdm_tf.evaluation.locations import locate
from pdm_tf.evaluation.metrics.memorisation import memorised_share, nearest

_SHOWN = 16  # pairs on the sheet


def check(config: MemorisationConfig) -> None:
    """Raises InputError for settings that make no sense by themselves."""
    for name in ("samples", "reference"):
        if not getattr(config, name):
            raise MissingSetting(name, "name pictures or a model")
    report.check_writable("out", config.out, report.is_report)


def search(config: MemorisationConfig, opener: Opener | None = None) -> dict[str, Any]:
    """Looks for the nearest reference picture of each sample.

    Writes the report to `out`, and beside it a sheet: in each pair a sample and its
    nearest picture, those first that are the nearest for their set.

    Args:
      config: the settings.
      opener: opens a model that a setting names; None: only pictures are taken.

    Raises:
      InputError: settings or pictures that nothing can be made of.
    """
    check(config)
    shared = EvaluationConfig(
        samples=config.samples,
        reference=config.reference,
        num_images=config.num_images,
    )
    names = ("samples", "reference")
    locations = [locate(name, getattr(config, name)) for name in names]
    sources = open_image_sources(locations, shared, opener)
    samples, reference = (
        np.concatenate(list(source.batches(shared.batch_size))) for source in sources
    )
    extract = _extractor(config, samples.shape[1:])
    spaces = [_points(part, extract) for part in (samples, reference)]
    found = nearest(*spaces)
    order = np.argsort(found.ratio, kind="stable")[:_SHOWN]
    pairs = np.stack([samples[order], reference[found.number[order]]], axis=1)
    sheet = config.out.removesuffix(".json") + ".png"
    save_png(sheet, contact_sheet(pairs.reshape(-1, *samples.shape[1:]), 8))
    made = {
        "memorised": memorised_share(found),
        "median_ratio": float(np.median(found.ratio)),
        "nearest": [
            {
                "sample": int(n),
                "reference": int(found.number[n]),
                "ratio": float(found.ratio[n]),
            }
            for n in order
        ],
        "space": extract.name if extract else "pixels",
        "samples": len(samples),
        "reference": len(reference),
        "sheet": sheet,
    }
    report.write_report(config.out, {**made, "metrics": {}})
    return made


def _extractor(config: MemorisationConfig, shape: tuple[int, ...]) -> Extractor | None:
    if config.features == "pixels":
        return None
    name = features_for(shape) if config.features == "auto" else config.features
    return open_features(name)


def _points(pictures: np.ndarray, extract: Extractor | None) -> np.ndarray:
    if extract is None:
        return pictures.reshape(len(pictures), -1).astype(np.float32)
    return pooled_of(pictures, extract)


def format_memorisation(made: dict[str, Any]) -> str:
    """The report as lines."""
    return (
        f"{made['memorised']:.1%} of {made['samples']:,} samples are a third as far "
        f"from their nearest of {made['reference']:,} pictures as from the second "
        f"(by {made['space']}; median ratio {made['median_ratio']:.2f})\n"
        f"the nearest pairs are on {made['sheet']}"
    )
