"""A model beside the one it was made from: how alike, how good, how costly."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from pdm_tf.config import CompareConfig
from pdm_tf.config.sampling import COMPARED
from pdm_tf.errors import SettingError
from pdm_tf.evaluation import metrics
from pdm_tf.evaluation.choosing_features import features_for
from pdm_tf.evaluation.features import Extractor, open_features
from pdm_tf.evaluation.generated_images import Opener
from pdm_tf.evaluation.image_sources import open_pictures
from pdm_tf.evaluation.model_cost import (
    bytes_of,
    count_evaluations,
    flops_of,
    parameters_of,
)
from pdm_tf.evaluation.report import (
    check_smallest,
    check_writable,
    is_report,
    write_report,
)
from pdm_tf.evaluation.versions import versions
from pdm_tf.progress import progress, say
from pdm_tf.serving.generator import ImageGenerator, choose_sampler, labels_in_turn
from pdm_tf.serving.watching import generate_watched

SSIM = 11  # pixels, the least that a picture must have


@dataclass(frozen=True)
class Request:
    """What is asked of a model.

    Attributes:
      generator: the model.
      sampler: name of the sampler.
      steps: of the sampler.
      guidance: weight w; 1 is none.
    """

    generator: ImageGenerator
    sampler: str
    steps: str
    guidance: float

    def generate(
        self, seeds: np.ndarray, advance: Callable[[int], Any] = lambda _: None
    ) -> np.ndarray:
        """Pictures uint8 [N, H, W, C] of int32 [N] seeds, the classes in turn.

        Args:
          seeds: of the pictures.
          advance: takes how many evaluations have ended since it was called before.
        """
        asked = self.labels(seeds), self.steps, self.guidance, self.sampler
        return generate_watched(self.generator, seeds, *asked, advance)

    def labels(self, seeds: np.ndarray) -> np.ndarray:
        """Classes or conditions of pictures, see `labels_in_turn`."""
        return labels_in_turn(self.generator, seeds)

    def evaluations(self) -> int:
        """Evaluations of the network for one picture."""
        return count_evaluations(
            self.generator, self.sampler, self.steps, self.guidance
        )


def compare(config: CompareConfig, opener: Opener) -> dict[str, Any]:
    """Compares the models of `model` and `reference`; writes the report to `out`.

    Returns:
      The report: see `compare_models`; and settings, versions.

    Raises:
      InputError: settings, models or pictures that do not fit each other.
    """
    check(config)
    opened = {}
    for name in _NAMES:
        say(f"opening {getattr(config, name)}")
        opened[name] = opener(name, getattr(config, name))
    requests = {name: _request(config, name, opened[name]) for name in _NAMES}
    shape = opened["reference"].image_shape
    auto = config.features == "auto"
    name = features_for(shape) if auto else config.features
    extractor = open_features(name, config.inception_graph)
    data = config.data or _data_of(opened["reference"])
    known = data and metrics.gaussian_of(
        open_pictures("data", data, shape).batches(500), extractor
    )
    made = compare_models(
        requests["model"],
        requests["reference"],
        extractor,
        known or None,
        range(config.seed, config.seed + config.num_images),
        config.batch_size,
    )
    for name in _NAMES:
        made[name]["bytes"] = bytes_of(opened[name], getattr(config, name))
    made |= {"data": data, "settings": asdict(config), "versions": versions()}
    write_report(config.out, made)
    return made


_NAMES = ("model", "reference")


def check(config: CompareConfig) -> None:
    """Raises SettingError for settings that make no sense by themselves."""
    for name in _NAMES:
        if not getattr(config, name):
            raise SettingError(name, None, "missing; name two models to compare")
    check_smallest(config, {"num_images": 2, "batch_size": 1, "seed": 0})
    check_writable("out", config.out, is_report)


def compare_models(
    model: Request,
    reference: Request,
    extractor: Extractor,
    data: metrics.FeatureGaussian | None,
    seeds: Sequence[int],
    batch_size: int = 50,
) -> dict[str, Any]:
    """Compares an altered model with the one it was made from.

    Args:
      model: the altered one.
      reference: the unaltered one, of pictures of the same shape.
      extractor: gives the features of Fréchet distances; where it reads digits and the
        models have ten classes, class accuracy is measured too.
      data: what `metrics.gaussian_of` made of real pictures; None: no distance to them.
      seeds: of the pictures of both, two at least; the classes take turns.
      batch_size: pictures computed at once.

    Returns:
      sqnr, psnr [dB] and ssim of the pictures of same seeds; frechet, the distance
      between both; and for "model" and "reference" frechet to the data, accuracy,
      evaluations and seconds of a picture, flops of an evaluation, parameters, bytes.
      None stands for what cannot be measured, and left_out says what so few pictures
      cannot tell.
    """
    altered, unaltered = _generate([model, reference], seeds, batch_size)
    x, y = altered[0], unaltered[0]
    first, second = (metrics.gaussian_of(pictures, extractor) for pictures in (x, y))
    numbers = np.asarray(seeds)
    left_out = _explain_left_out(len(x), extractor)
    return {
        "pictures": len(x),
        "features": extractor.name,
        "left_out": left_out,
        "sqnr": metrics.sqnr(y, x),
        "psnr": metrics.psnr(y, x),
        "ssim": _ssim(y, x),
        "frechet": None if left_out else metrics.frechet_distance(first, second),
        "model": _row(model, *altered, first, extractor, data, numbers),
        "reference": _row(reference, *unaltered, second, extractor, data, numbers),
    }


def _explain_left_out(count: int, extractor: Extractor) -> str:
    """Why so few pictures have no Fréchet distance; empty: they have one."""
    size = extractor.sizes[0]
    if count > size:
        return ""
    return (
        f"Fréchet distances are left out: {count:,} pictures for {size:,} features, "
        f"whose covariance is then singular; it takes {size + 1:,} at least"
    )


def _ssim(x: np.ndarray, y: np.ndarray) -> float | None:
    """Structural similarity; None for small pictures and without scikit-image."""
    if min(x.shape[1:3]) < SSIM:
        return None
    try:
        return metrics.ssim(x, y)
    except ModuleNotFoundError:  # an extra that not everybody installs
        return None


def _row(
    request: Request,
    pictures: np.ndarray,
    seconds: float,
    gaussian: metrics.FeatureGaussian,
    extractor: Extractor,
    data: metrics.FeatureGaussian | None,
    seeds: np.ndarray,
) -> dict[str, Any]:
    generator = request.generator
    digits = extractor.name == "digits" and generator.num_classes == 10
    known = None if _explain_left_out(len(pictures), extractor) else data
    return {
        "frechet": metrics.frechet_distance(gaussian, known) if known else None,
        "accuracy": metrics.accuracy(pictures, request.labels(seeds))
        if digits
        else None,
        "digest": generator.description.get("digest"),
        "sampler": request.sampler,
        "steps": request.steps,
        "guidance": request.guidance,
        "evaluations_per_picture": request.evaluations(),
        "seconds_per_picture": seconds,
        "flops_per_evaluation": flops_of(generator),
        "parameters": parameters_of(generator),
        "bytes": bytes_of(generator, ""),
    }


def _generate(
    requests: Sequence[Request], seeds: Sequence[int], batch_size: int
) -> list[tuple[np.ndarray, float]]:
    """Pictures of each and the median of its seconds a picture.

    The models take turns, so that other work on the machine slows them alike; the
    first batch is generated twice, the first time off the clock.
    """
    every = np.asarray(seeds, np.int32)
    batches = [every[i : i + batch_size] for i in range(0, len(every), batch_size)]
    made: list[list[np.ndarray]] = [[] for _ in requests]
    clock: list[list[float]] = [[] for _ in requests]
    each = sum(r.generator.evaluations(r.sampler, r.steps) for r in requests)
    for request in requests:
        request.generate(batches[0])
    with progress(None, "comparing", "steps", each * len(batches)) as bar:
        for batch, (i, request) in product(batches, enumerate(requests)):
            began = time.perf_counter()
            made[i].append(request.generate(batch, bar.update))
            clock[i].append((time.perf_counter() - began) / len(batch))
    return [
        (np.concatenate(pictures), float(np.median(seconds)))
        for pictures, seconds in zip(made, clock, strict=True)
    ]


def _request(config: CompareConfig, name: str, generator: ImageGenerator) -> Request:
    asked = config.sampler, config.steps
    if name == "reference":
        own = config.reference_sampler, config.reference_steps
        asked = own[0] or asked[0], own[1] or asked[1]
    asked = choose_sampler(generator, *asked, COMPARED)
    generator.check(*asked)
    weight = generator.guidance if config.guidance is None else config.guidance
    return Request(generator, *asked, weight)


def _data_of(generator: ImageGenerator) -> str:
    """What a model was trained on, by its record; empty where that is not known."""
    record = str(generator.description.get("record", ""))
    found = re.search(r"^--dataset=(\S+)$", record, re.MULTILINE)
    return found[1] if found else ""


def format_comparison(made: dict[str, Any]) -> str:
    """The report as a short table."""
    lines = [
        f"{'':<26}{'model':>12}{'reference':>12}{'ratio':>9}",
        *(_line(title, made, key, scale) for title, key, scale in _ROWS),
        "",
        f"same seeds: SQNR {made['sqnr']:.2f} dB, PSNR {made['psnr']:.2f} dB"
        + ("" if made["ssim"] is None else f", SSIM {made['ssim']:.4f}"),
        made["left_out"]
        or f"Fréchet distance between both: {made['frechet']:.4f} ({made['features']})",
    ]
    return "\n".join(lines)


_ROWS = (
    ("Fréchet distance to data", "frechet", 1),
    ("class accuracy [%]", "accuracy", 100),
    ("evaluations a picture", "evaluations_per_picture", 1),
    ("seconds a picture", "seconds_per_picture", 1),
    ("MFLOP an evaluation", "flops_per_evaluation", 1e-6),
    ("parameters [1000]", "parameters", 1e-3),
    ("bytes [KiB]", "bytes", 1 / 1024),
)


def _line(title: str, made: dict[str, Any], key: str, scale: float) -> str:
    values = [made[name][key] for name in _NAMES]
    cells = ["-" if v is None else f"{v * scale:.5g}" for v in values]
    ratio = "-"
    if None not in values and values[1]:
        ratio = f"{values[0] / values[1]:.3f}"
    return f"{title:<26}{cells[0]:>12}{cells[1]:>12}{ratio:>9}"
