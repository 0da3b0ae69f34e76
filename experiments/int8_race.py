"""Times of a call in 8 bits: exports, NNCF's and PyTorch in turns (docs/int8.md).

A part of `experiments.int8`. The network is that of the paper for LSUN with P = 4, its
weights drawn at random, which costs the same time: nobody trains it on a processor.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import CASES, Case
from benchmarks.race import HERE, Candidate
from experiments.int8_nncf import quantize
from experiments.pages import table
from pdm_tf.progress import progress
from pdm_tf.serving import LitertNetwork, OpenvinoNetwork
from pdm_tf.serving.openvino_network import MODEL, load_runtime

CASE = "call:lsun_church_p4:1"
PYTORCH, NNCF = "PyTorch float32", "openvino NNCF's defaults"
# The strongest that a user of PyTorch has: NNCF on the network that OpenVINO reads from
# PyTorch's ONNX file, and bfloat16 for what is not in 8 bits.
OF_PYTORCH = "openvino NNCF's, of PyTorch's network, bfloat16"
REST = 0.15  # seconds before a turn
# Name -> folder that is computed with, and precision; int8 files are of both kinds.
OPENVINO = {
    "openvino float32": ("float32", "float32"),
    "openvino bfloat16": ("bfloat16", "bfloat16"),
    "openvino int8": ("int8", "int8"),
    "openvino int8_bfloat16": ("int8", "int8_bfloat16"),
    NNCF: ("nncf", "float32"),
    f"{NNCF}, bfloat16": ("nncf", "int8_bfloat16"),
}
LITERT = {"litert dynamic_int8": "dynamic_int8", "litert static_int8": "static_int8"}
NAMES = (*OPENVINO, OF_PYTORCH, *LITERT)
Turn = Callable[[], float]


def race(
    work: Path, turns: int, peer: str, seconds: float, names: Collection[str] = NAMES
) -> dict[str, Any]:
    """Seconds of every turn by candidate, all of one turn next to each other.

    Args:
      work: where files are kept.
      turns: how often each candidate's turn comes.
      peer: python of an environment with PyTorch; empty: without it.
      seconds: stop before the next turn after this.
      names: of the exports that run, OpenVINO's in float32 among them.
    """
    case = next(case for case in CASES if case.name == CASE)
    given = inputs_of(case)
    candidates, estimates = _candidates(work, case, given, names)
    if peer and OF_PYTORCH in names:
        candidates[OF_PYTORCH] = _of_pytorch(work, case, given, peer)
    peers = {PYTORCH: Candidate("pytorch", peer, case.order())} if peer else {}
    for name, process in peers.items():
        process.times = 1
        candidates[name] = process.turn
    found: dict[str, list[float]] = {name: [] for name in candidates}
    begun = time.perf_counter()
    try:
        for _ in progress(range(turns), "racing", "turns"):
            for name, turn in candidates.items():
                time.sleep(REST)
                found[name].append(turn())
            if time.perf_counter() - begun > seconds:
                break
    finally:
        for process in peers.values():
            process.close()
    exact = estimates.pop("openvino float32")
    noise = {k: float(np.square(v - exact).mean()) for k, v in estimates.items()}
    power = float(np.square(exact).mean())
    decibels = {k: round(float(10 * np.log10(power / n)), 2) for k, n in noise.items()}
    return {"race": CASE, "seconds": found, "sqnr": decibels}


def inputs_of(case: Case) -> dict[str, np.ndarray]:
    """Noise, a timestep, and a label that is not looked at."""
    shape = (case.batch, *case.config().network.image_shape)
    z = np.random.default_rng(0).standard_normal(shape, np.float32)
    t = np.full([case.batch], 500, np.int32)
    return {"z": z, "t": t, "labels": np.zeros(case.batch, np.int32)}


def _candidates(
    work: Path, case: Case, given: Mapping[str, np.ndarray], names: Collection[str]
) -> tuple[dict[str, Turn], dict[str, np.ndarray]]:
    """What takes a turn, and its estimate of x; files that are missing are written."""
    networks: dict[str, Any] = {}
    for name, (folder, precision) in OPENVINO.items():
        if name not in names:
            continue
        place = work / folder
        if not (place / MODEL).is_file():
            _write(work, case, "openvino", folder, place, given)
        networks[name] = OpenvinoNetwork(place, precision)
    for name, how in LITERT.items():
        if name not in names:
            continue
        file = work / f"{how}.tflite"
        if not file.is_file():
            _write(work, case, "litert", how, file, given)
        networks[name] = LitertNetwork(file)
    estimates = {name: network(**given)[0] for name, network in networks.items()}
    return {name: _timed(network, given) for name, network in networks.items()}, (
        estimates
    )


def _write(
    work: Path,
    case: Case,
    form: str,
    how: str,
    place: Path,
    given: Mapping[str, np.ndarray],
) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if how == "nncf":
        runtime = load_runtime()
        model = runtime.Core().read_model(str(work / "float32" / MODEL))
        made = quantize(model, [dict(given)], fast_bias_correction=True)
        place.mkdir()
        runtime.save_model(made, str(place / MODEL), compress_to_fp16=False)
        return
    sys.path.insert(0, str(HERE / "candidates"))
    from exported import write

    write(case.order(), form, how, place)


def _of_pytorch(
    work: Path, case: Case, given: Mapping[str, np.ndarray], peer: str
) -> Turn:
    """The network of PyTorch in 8 bits; its weights are others, at the same time."""
    runtime, place = load_runtime(), work / "nncf_pytorch"
    z, t = np.ascontiguousarray(given["z"].transpose(0, 3, 1, 2)), np.array([500])
    if not (place / MODEL).is_file():
        file = work / "pytorch.onnx"
        subprocess.run(
            [peer, str(HERE / "candidates" / "openvino_pytorch.py"), str(file)],
            input=json.dumps(case.order()),
            text=True,
            check=True,
            stdout=sys.stderr,
            env={**os.environ, "PYTHONPATH": f"{HERE / 'candidates'}:{HERE}"},
        )
        model = runtime.Core().read_model(str(file))
        names = [put.any_name for put in model.inputs]
        example = dict(zip(names, (z, t), strict=True))
        made = quantize(model, [example], fast_bias_correction=True)
        place.mkdir()
        runtime.save_model(made, str(place / MODEL), compress_to_fp16=False)
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY"}
    compiled = runtime.Core().compile_model(str(place / MODEL), "CPU", settings)
    request = compiled.create_infer_request()

    def turn() -> float:
        begun = time.perf_counter()
        request.infer([z, t])
        return time.perf_counter() - begun

    return turn


def _timed(network: Callable, given: Mapping[str, np.ndarray]) -> Turn:
    def turn() -> float:
        begun = time.perf_counter()
        network(**given)
        return time.perf_counter() - begun

    return turn


def text_of(row: dict[str, Any]) -> str:
    """The table of the page: medians of ratios turn by turn, and quartiles."""
    seconds = {name: np.array(found) for name, found in row["seconds"].items()}
    header = ["candidate", "times as fast as PyTorch's float32"]
    header += ["time over NNCF's", "dB of the call"]
    lines = []
    for name, found in seconds.items():
        ahead = _ratio(seconds[PYTORCH] / found) if PYTORCH in seconds else ""
        decibels = row["sqnr"].get(name)
        said = "" if decibels is None else f"{decibels:.1f}"
        beside = _ratio(found / seconds[NNCF]) if NNCF in seconds else ""
        lines.append([name, ahead, beside, said])
    return table(header, lines)


def _ratio(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
