"""What every setting is made of."""

from dataclasses import field
from typing import Any, Literal

Prediction = Literal["x", "eps", "v"]
Weighting = Literal[
    "sqrt_snr",
    "snr",
    "snr+1",
    "truncated_snr",
    "min_snr",
    "p2",
    "uniform",
    "velocity",
]
Thresholding = Literal["dynamic", "static", "none"]
Variance = Literal["learned", "large", "small"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Architecture = Literal["unet", "jit"]
Schedule = Literal["linear", "cosine", "sigmoid"]
TimestepsBy = Literal["share", "loss"]
Levels = Literal["own", "log_normal"]
Criterion = Literal["frechet", "kid", "precision", "recall"]
Film = Literal["none", "gif", "webp", "mp4"]
Decay = Literal["constant", "cosine", "linear", "inverse_sqrt"]
ForwardProcess = Literal["vp", "linear"]
Spacing = Literal[
    "uniform", "log_snr", "karras", "quadratic", "trailing", "trailing_dense"
]

LAST_SEED = 2**31 - 1  # seeds are int32

Sealed = Literal["", "run", "model"]
Output = Literal["", "directory", "any"]


def option(
    default: Any,
    help: str,
    aliases: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    sealed: Sealed = "",
    output: Output = "",
) -> Any:
    """A field with a default and the sentence that `--help` prints for it.

    Numbers that are not finite are refused on every command line; bounds are checked
    there too, of each number where there are several.

    Args:
      default: its value where nothing is given.
      help: what it is, in a sentence.
      aliases: names that the flag had before; they work on, and help is silent on them.
      low: the least number that makes sense; None: no bound.
      high: the largest.
      sealed: whether a model is another one under another value, see `sealing`: "run"
        where a run keeps the value to its end, "model" where a resumed run may change
        it, empty where it has no part in what weights mean.
      output: what a command makes there, which is looked at before its work; empty:
        it is no output, or the command looks by itself.
    """
    said = {"help": help, "aliases": aliases, "low": low, "high": high}
    said |= {"output": output}
    return field(default=default, metadata={**said, "sealed": sealed})
