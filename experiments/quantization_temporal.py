"""Temporal features of quantised models, and the bars of systems 4, 10 and 11."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from experiments.cached_sampling import Bench
from experiments.quantization_table import (
    Row,
    Verdict,
    at_least,
    command,
    find,
    gain_of,
    judged,
    mean_of,
    shown,
)
from experiments.quantization_variants import W4A8
from pdm_tf.assemble import derive, export_run, open_model
from pdm_tf.assemble.methods import open_method
from pdm_tf.config.quantization import TemporalCacheConfig, TFMQConfig
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.quantization.deriving import kernel_of, network_of, plan_of
from pdm_tf.quantization.rounding import round_to_nearest
from pdm_tf.quantization.spec import spec_of
from pdm_tf.quantization.temporal import errors_of, features_of, split_plan
from pdm_tf.quantization.temporal_cache import fill_tables, tables_of
from pdm_tf.samplers import DDIM, sample

FEATURES = "temporal features"
LATENCY, TURNS, AT_ONCE = "temporal features, time", 12, 4
CALIBRATION, CALIBRATED = "calibration in turns", 2
SHARE = 0.25  # of the iterations of learning that each of these turns takes
NEEDED = ("tfmq_dm W4A8", "temporal_cache W4A8")  # models that lie in the work folder


def measure_features(bench: Bench, models: Path) -> dict[str, Any]:
    """Errors of temporal features, and bytes of exports.

    Args:
      bench: of the base.
      models: folder with models of `NEEDED`, spaces as underscores.
    """
    base = network_of(bench.base)
    learned, cached = (models / name.replace(" ", "_") for name in NEEDED)
    plan = network_of(open_model(learned).denoiser).plan
    weights = {path: _Weights(change) for path, change in plan.items()}
    nearest = _nearest(base)
    return {
        "nearest": _mean(errors_of(base, nearest)),
        "learned": _mean(errors_of(base, {path: weights[path] for path in nearest})),
        "float_tables": _largest_difference(base),
        "exported": {
            path.name.partition("_W")[0]: _exported(path) for path in (learned, cached)
        },
    }


def measure_latency(bench: Bench, models: Path) -> dict[str, Any]:
    """Seconds of trajectories in turns, of what learned to round and of tables."""
    ready = [
        bench.sampling(denoise.with_constant_weights(), AT_ONCE)
        for denoise in (
            open_model(models / name.replace(" ", "_")).denoiser for name in NEEDED
        )
    ]
    grid, found = bench.base.schedule.grid(50), []
    for _ in range(TURNS + 1):
        pair = []
        for denoise in ready:
            begun = time.perf_counter()
            np.asarray(
                sample(denoise, DDIM(), grid, range(AT_ONCE), denoise.image_shape)
            )
            pair.append(time.perf_counter() - begun)
        found.append(pair)
    seconds = np.array(found[1:])  # the first traces
    return {"seconds_in_turns": np.round(seconds, 3).tolist(), "at_once": AT_ONCE}


def measure_calibration(path: str, work: Path) -> dict[str, Any]:
    """Processor seconds of both methods at W4A8, in turns of fewer iterations.

    What does not learn, and weighs more so, is nearly the same for both.

    Args:
      path: the base.
      work: where models of these turns lie.
    """
    found: dict[str, list[float]] = {"tfmq_dm": [], "q_diffusion": []}
    for turn in range(CALIBRATED):
        for name in sorted(found, reverse=bool(turn % 2)):
            out = (
                work / f"{name}_turn_{turn}_{time.time_ns()}"
            )  # never one that is there
            method, settings = open_method(name).Config(), dict(W4A8)
            for field, value in vars(method).items():
                if field.endswith("iterations"):
                    settings[field] = round(SHARE * value)
            begun = time.process_time()
            derive(name, path, out, replace(method, **settings))
            found[name].append(round(time.process_time() - begun, 1))
    return {"processor_seconds_in_turns": found, "share": SHARE}


def _mean(errors: dict[str, float]) -> float:
    return float(np.mean(list(errors.values())))


class _Weights(LayerTransform):
    """The kernel of a quantised layer, its input left alone."""

    def __init__(self, change: LayerTransform) -> None:
        self._change = change

    def kernel(self, w: Any) -> Any:
        return self._change.kernel(w)


def _nearest(base: NetworkDenoiser) -> dict[str, LayerTransform]:
    """Layers of time and class with 4-bit weights, rounded to nearest."""
    temporal, _ = split_plan(plan_of(base, spec_of(TFMQConfig(weight_bits=4))))
    for path, layer in temporal.items():
        round_to_nearest(layer, kernel_of(base, path), "mse")
    return {path: _Weights(layer) for path, layer in temporal.items()}


def _largest_difference(base: NetworkDenoiser) -> float:
    """Of float32 tables to the layers, for every sampled timestep and class."""
    config = TemporalCacheConfig(cache_bits=32)
    held, labels = np.asarray(base.schedule.grid(50).t), base.num_classes + 1
    given = np.repeat(held, labels), np.tile(np.arange(labels), len(held))
    wanted = features_of(base, {}, *given)
    tables = tables_of(base, list(wanted), config)
    fill_tables(base, tables)
    made = features_of(base, tables, *given)
    return max(float(np.abs(made[path] - x).max()) for path, x in wanted.items())


def _exported(path: Path) -> int:
    """Bytes of a model's SavedModel with one sampler."""
    with TemporaryDirectory() as folder:
        out = export_run(path, f"{folder}/export", ["ddim"])
        return sum(f.stat().st_size for f in out.rglob("*") if f.is_file())


def tfmq_dm(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 11: beside Q-Diffusion, in likeness, time, and error of features."""
    own, other = (find(rows, f"{name} W4A8") for name in ("tfmq_dm", "q_diffusion"))
    features, turns = find(rows, FEATURES), find(rows, CALIBRATION)
    if "sqnr" not in own or "sqnr" not in other:
        return None
    gain, said = gain_of(own, other), "error of temporal features not measured yet"
    share = own["processor_seconds"] / other["processor_seconds"]
    when = "in one run each"
    if turns:
        seconds = turns["processor_seconds_in_turns"]
        shares = np.divide(seconds["tfmq_dm"], seconds["q_diffusion"])
        share, when = float(np.mean(shares)), f"{len(shares)} turns of "
        when += f"{turns['share']:g} of the iterations: "
        when += f"{', '.join(f'{s:.2f}' for s in shares)}; in one run each, at length, "
        when += f"{own['processor_seconds'] / other['processor_seconds']:.2f}"
    enough: Verdict = "undecided"
    if features:
        less = features["nearest"] / features["learned"]
        said = f"squared error of temporal features {less:.1f} times below nearest's"
        enough = less >= 5
    return {
        "command": command("tfmq_dm", "--weight_bits=4"),
        "figure": f"W4A8: SQNR {mean_of(own['sqnr'])[0]:.1f} dB, {shown(gain)} against "
        f"Q-Diffusion in {share:.2f} of its processor time ({when}); {said}",
        "holds": judged(at_least(gain, 1), share <= 0.5, enough),
    }


def temporal_cache(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 10: tables beside layers that learned to round."""
    names = ("temporal_cache W4A8", "tfmq_dm W4A8", FEATURES, LATENCY)
    own, other, features, latency = (find(rows, name) for name in names)
    if "sqnr" not in own or "sqnr" not in other:
        return None
    gain, smaller = gain_of(own, other), other["bytes"] - own["bytes"]
    parts, said = [at_least(gain, 0), smaller > 0], "exports not measured yet"
    if features:
        files, exact = features["exported"], features["float_tables"]
        less = files["tfmq_dm"] - files["temporal_cache"]
        said = (
            f"SavedModel {less:,.0f} bytes smaller; float32 tables within {exact:.1e}"
        )
        parts += [less > 0, exact <= 1e-6]
    quick: Verdict = "undecided"
    slower = "latency not measured"
    if latency:
        turns = np.array(latency["seconds_in_turns"])
        quick = at_least(mean_of(np.log(turns[:, 0] / turns[:, 1]).tolist()), 0)
        low, middle, high = np.quantile(turns[:, 1] / turns[:, 0], [0.25, 0.5, 0.75])
        slower = f"{middle:.3f} of its time in turns ({low:.3f} to {high:.3f})"
    return {
        "command": command("temporal_cache", "--weight_bits=4"),
        "figure": "W4A8, 8-bit tables of 50 steps: SQNR "
        f"{mean_of(own['sqnr'])[0]:.1f} dB, {shown(gain)} over TFMQ-DM; {smaller:,.0f} "
        f"bytes fewer; {said}; {slower}",
        "holds": judged(*parts, quick),
    }


def eda_dm(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 4: each of its parts alone, and both, beside neither."""
    names = ("", ", blocks alone", ", even steps", ", neither")
    both, allotted, fine, neither = (find(rows, f"eda_dm W4A8{n}") for n in names)
    if not all("sqnr" in row for row in (both, allotted, fine, neither)):
        return None
    gains = [gain_of(row, neither) for row in (allotted, fine, both)]
    return {
        "command": command("eda_dm", "--weight_bits=4"),
        "figure": f"W4A8: SQNR {mean_of(both['sqnr'])[0]:.1f} dB; over even steps and "
        f"blocks alone its calibration {shown(gains[0])}, its reconstruction "
        f"{shown(gains[1])}, both {shown(gains[2])}",
        "holds": judged(
            at_least(gains[0], 0), at_least(gains[1], 0), at_least(gains[2], 1)
        ),
    }


VERDICTS = {4: eda_dm, 10: temporal_cache, 11: tfmq_dm}
