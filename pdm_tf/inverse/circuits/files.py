"""Circuits on disk: learnt by a command that goes on where it was stopped.

DIR/manifest.json says what was learnt of what, circuit.safetensors holds the codes and
the circuit as far as it is learnt, report.json and samples.png say how well.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.config.inverse import LearnCircuitConfig
from pdm_tf.data.images import checked_shape, save_png, to_float, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.errors import InputError, MissingSetting, SettingError
from pdm_tf.inverse.circuits import learning
from pdm_tf.inverse.circuits.circuit import Circuit, draw_codes, log_likelihood
from pdm_tf.inverse.circuits.codes import Codebook, learn_codebook
from pdm_tf.inverse.manifests import CIRCUIT, CIRCUIT_FILE, is_of_circuits
from pdm_tf.progress import progress
from pdm_tf.storage.arrays import read_arrays, read_metadata, write_arrays
from pdm_tf.storage.files import checksum, write_json
from pdm_tf.storage.outputs import MANIFEST, locked_directory, refuse_others
from pdm_tf.version import __version__

REPORT, SHEET = "report.json", "samples.png"
PAPER = "arXiv 2106.02264"
_EVERY = 10  # iterations between two records
_SHOWN = 12
_HELD_OUT = 500  # pictures whose likelihood is reported, at most
_REMEDY = "make one by python -m pdm_tf.inverse learn_circuit"


@dataclass(frozen=True, eq=False)
class LearntCircuit:
    """A circuit over codes of patches of pictures."""

    codebook: Codebook
    circuit: Circuit
    image_shape: tuple[int, ...]


def read_circuit(path: str, image_shape: tuple[int, ...]) -> LearntCircuit:
    """The circuit in a directory, float32.

    Raises:
      SettingError: there is none, it is damaged, or of pictures of another shape.
    """
    if not path:
        raise MissingSetting("circuit", _REMEDY)
    file = Path(path) / CIRCUIT_FILE
    if not file.is_file():
        raise SettingError("circuit", path, f"no circuit is there; {_REMEDY}")
    try:
        found, _ = _read(file)
    except (InputError, KeyError) as error:
        raise SettingError("circuit", path, f"damaged ({error}); {_REMEDY}") from None
    if found.image_shape != tuple(image_shape):
        raise SettingError(
            "circuit",
            path,
            f"is of pictures of {found.image_shape}, and the model makes "
            f"{tuple(image_shape)}; give a circuit of such pictures",
        )
    single = found.circuit.as_type(np.float32)
    return LearntCircuit(found.codebook, single, found.image_shape)


def learn_circuit(config: LearnCircuitConfig) -> str:
    """Learns a circuit of a data set; returns what came of it.

    Raises:
      InputError: settings or pictures that nothing can be made of, or a directory of
        others.
    """
    shape = _checked(config)
    pictures = _read_pictures(config, shape, "train", config.pictures)
    settings = {n: v for n, v in asdict(config).items() if n not in ("out", "dataset")}
    manifest = {"kind": CIRCUIT, "format": 1, "paper": PAPER, "dataset": config.dataset}
    manifest |= settings | {"image_shape": list(shape)}
    manifest["inputs"] = {"dataset": checksum(pictures.tobytes())}
    with locked_directory("out", config.out, is_of_circuits) as there:
        directory = Path(config.out)
        if there is not None:
            refuse_others(directory, there, manifest)
            if (directory / REPORT).is_file():
                return f"the circuit in {directory} is learnt already"
        write_json(directory / MANIFEST, manifest)
        judges = _held_out(config, shape)
        made, rows = _learn(config, shape, to_float(pictures), directory / CIRCUIT_FILE)
        report = {"patches": made.circuit.variables, "log_likelihood": rows}
        report |= _judged(made, judges) | {"pdm_tf": __version__}
        shown = pictures if judges is None else judges
        save_png(directory / SHEET, _sheet(made, shown))
        write_json(directory / REPORT, report)
    known = f", held out {report['held_out']:.2f}" if "held_out" in report else ""
    return (
        f"{report['patches']} patches of {config.codes} codes, log likelihood "
        f"{rows[-1]:.2f} nats{known}; in {directory}"
    )


def _checked(config: LearnCircuitConfig) -> tuple[int, ...]:
    shape = checked_shape(config.image_shape)
    height, width = (side // config.patch for side in shape[:2])
    if shape[0] % config.patch or shape[1] % config.patch or height * width < 2:
        raise SettingError(
            "patch",
            config.patch,
            "must divide height and width, and leave two patches or more",
            image_shape=shape,
        )
    return shape


def _read_pictures(
    config: LearnCircuitConfig, shape: tuple[int, ...], split: str, most: int
) -> np.ndarray:
    """Pictures uint8, at most so many, spread over all."""
    source = open_source(config.dataset, shape, split=split)
    count = min(len(source), most)
    return source.read(np.linspace(0, len(source) - 1, count).astype(int))[0]


def _held_out(config: LearnCircuitConfig, shape: tuple[int, ...]) -> np.ndarray | None:
    """Pictures uint8 that are not learnt from; None of a source that holds none out."""
    try:
        return _read_pictures(config, shape, "test", _HELD_OUT)
    except InputError:
        return None


def _learn(
    config: LearnCircuitConfig, shape: tuple[int, ...], x: np.ndarray, file: Path
) -> tuple[LearntCircuit, list[float]]:
    """The circuit, and the mean log likelihood before each iteration."""
    rows: list[float] = []
    if file.is_file():
        made, rows = _read(file)
        book, circuit = made.codebook, made.circuit
        codes = book.encode(x)
    else:
        book = learn_codebook(x, config.patch, config.codes, config.seed)
        codes = book.encode(x)
        circuit = learning.draw_circuit(
            codes, config.codes, config.states, config.smoothing, config.seed
        )
    with progress(None, "EM", "iterations", total=config.iterations) as bar:
        bar.update(len(rows))
        while len(rows) < config.iterations:
            circuit, likelihood = learning.maximise(circuit, codes, config.smoothing)
            rows.append(likelihood)
            bar.update(1)
            if len(rows) % _EVERY == 0 or len(rows) == config.iterations:
                write_circuit(file, LearntCircuit(book, circuit, shape), rows)
    return LearntCircuit(book, circuit, shape), rows


def write_circuit(file: Path, made: LearntCircuit, rows: list[float]) -> None:
    """Writes a circuit, and its mean log likelihood before each iteration."""
    arrays = {**vars(made.circuit), **vars(made.codebook)}
    arrays["patch"] = np.array(made.codebook.patch)
    arrays.pop("layers", None)  # which follow
    arrays["image_shape"] = np.array(made.image_shape)
    arrays["log_likelihood"] = np.array(rows, np.float64)
    write_arrays(file, arrays, {"kind": CIRCUIT})


def _read(file: Path) -> tuple[LearntCircuit, list[float]]:
    if read_metadata(file).get("kind") != CIRCUIT:
        raise InputError("no circuit")
    found = read_arrays(file)
    book = Codebook(int(found["patch"]), found["centres"], found["variances"])
    names = ("places", "parents", "prior", "transitions", "emissions")
    circuit = Circuit(*(found[name] for name in names))
    shape = tuple(int(side) for side in found["image_shape"])
    return LearntCircuit(book, circuit, shape), found["log_likelihood"].tolist()


def _judged(made: LearntCircuit, pictures: np.ndarray | None) -> dict[str, Any]:
    """How well pictures that were not learnt from are known, and shown as codes."""
    if pictures is None:
        return {}
    x = to_float(pictures)
    codes = made.codebook.encode(x)
    return {
        "held_out": float(np.mean(log_likelihood(made.circuit, codes))),
        "held_out_pictures": len(x),
        "error_of_codes": float(np.mean((_shown(made, codes) - x) ** 2)),
    }


def _shown(made: LearntCircuit, codes: np.ndarray) -> np.ndarray:
    """Codes int [N, n] as pictures, float32."""
    law = np.eye(len(made.codebook.centres), dtype=np.float32)[codes]
    book = made.codebook
    return book.pictures(book.moments(law).mean, made.image_shape).numpy()


def _sheet(made: LearntCircuit, pictures: np.ndarray) -> np.ndarray:
    """Pictures, the same as codes, and what the circuit draws, a row each."""
    shown = pictures[:: max(1, len(pictures) // _SHOWN)][:_SHOWN]
    drawn = draw_codes(made.circuit, len(shown), np.random.default_rng(0))
    codes = made.codebook.encode(to_float(shown))
    return named_rows(
        {
            "pictures": shown,
            "as codes": to_uint8(_shown(made, codes)),
            "drawn": to_uint8(_shown(made, drawn)),
        }
    )
