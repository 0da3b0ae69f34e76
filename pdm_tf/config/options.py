"""What every setting is made of."""

from dataclasses import field
from typing import Any, Literal

Prediction = Literal["x", "eps", "v"]
Weighting = Literal[
    "sqrt_snr", "snr", "snr+1", "truncated_snr", "min_snr", "p2", "uniform"
]
Thresholding = Literal["dynamic", "static", "none"]
Variance = Literal["learned", "large", "small"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Spacing = Literal["uniform", "log_snr", "karras", "quadratic"]


def option(default: Any, help: str, aliases: tuple[str, ...] = ()) -> Any:
    """A field with a default and the sentence that `--help` prints for it.

    Args:
      default: its value where nothing is given.
      help: what it is, in a sentence.
      aliases: names that the flag had before; they work on, and help is silent on them.
    """
    return field(default=default, metadata={"help": help, "aliases": aliases})
