"""Operators by the names that settings give them."""

from collections.abc import Callable, Sequence

from pdm_tf.data.fitting import read_exactly
from pdm_tf.errors import InputError, SettingError
from pdm_tf.inverse.operators import blur, colour, downsampling, masks
from pdm_tf.inverse.operators.chain import Chain
from pdm_tf.inverse.operators.compressed import Compressed
from pdm_tf.inverse.operators.fourier import fourier_rows
from pdm_tf.inverse.operators.jpeg import JPEG
from pdm_tf.inverse.operators.operator import Operator
from pdm_tf.inverse.operators.phase import Phase

Shape = tuple[int, ...]
Words = Sequence[str]
_KINDS = ("mean", "bicubic")


def _number(words: Words, i: int, default: float, low: float, high: float) -> float:
    """The i-th word as a number in [low, high]."""
    if i >= len(words):
        return default
    try:
        number = float(words[i])
    except ValueError:
        raise InputError(f"{words[i]!r} is no number") from None
    if not low <= number <= high:
        raise InputError(f"{words[i]} is out of bounds; give {low:g} to {high:g}")
    return number


def _whole(words: Words, i: int, default: int, low: int, high: int) -> int:
    number = _number(words, i, default, low, high)
    if number != int(number):
        raise InputError(f"{words[i]} is no whole number")
    return int(number)


def _inpaint(shape: Shape, words: Words, seed: int) -> Operator:
    path = ",".join(words)
    if not path:
        raise InputError("name a picture that is white where nothing is seen")
    hidden = read_exactly("operator", path, (*shape[:2], 1))[0, :, :, 0] > 127
    return masks.Mask(shape, hidden)


def _downsample(shape: Shape, words: Words, seed: int) -> Operator:
    factor = _whole(words, 0, 4, 2, min(shape[:2]))
    kind = words[1] if len(words) > 1 else "mean"
    if kind not in _KINDS:
        raise InputError(f"{kind!r}: choose from {', '.join(_KINDS)}")
    make = downsampling.bicubic if kind == "bicubic" else downsampling.mean_pooled
    return make(shape, factor)


def _blur(shape: Shape, words: Words, seed: int) -> Operator:
    kind, longest = (words or ["gaussian"])[0], max(shape[:2])
    if kind == "gaussian":
        return blur.gaussian(shape, _number(words, 1, 1.5, 0.1, longest))
    if kind == "motion":
        length = _number(words, 1, 9, 1, longest)
        return blur.motion(shape, length, _number(words, 2, 45.0, -360, 360))
    raise InputError(f"{kind!r}: choose from gaussian, motion")


# Name -> what makes it, and how it is written.
OPERATORS: dict[str, tuple[Callable[[Shape, Words, int], Operator], str]] = {
    "inpaint": (_inpaint, "inpaint:MASK.png"),
    "box": (lambda s, w, _: masks.box(s, _number(w, 0, 0.5, 0.01, 1)), "box:0.5"),
    "random_mask": (
        lambda s, w, seed: masks.random_mask(s, _number(w, 0, 0.5, 0, 1), seed),
        "random_mask:0.5",
    ),
    "downsample": (_downsample, "downsample:4,bicubic"),
    "blur": (_blur, "blur:gaussian,1.5"),
    "grayscale": (lambda s, w, _: colour.Grayscale(s), "grayscale"),
    "compressed": (
        lambda s, w, seed: Compressed(s, _number(w, 0, 0.1, 1e-4, 1), seed),
        "compressed:0.1",
    ),
    "fourier_rows": (
        lambda s, w, seed: fourier_rows(s, _number(w, 0, 0.25, 1e-4, 1), seed),
        "fourier_rows:0.25",
    ),
    "jpeg": (lambda s, w, _: JPEG(s, _whole(w, 0, 30, 1, 100)), "jpeg:30"),
    "hdr": (
        lambda s, w, _: colour.Overexposed(s, _number(w, 0, 2.0, 0.01, 100)),
        "hdr:2",
    ),
    "phase": (lambda s, w, seed: Phase(s, seed), "phase"),
}
_WORDS = {"grayscale": 0, "phase": 0, "downsample": 2, "blur": 3}  # at most, else 1
WAYS = ", ".join(example for _, example in OPERATORS.values())


def open_operator(
    text: str, shape: Shape, seed: int = 0, sigma: float = 0.0
) -> Operator:
    """The operator of a text, such as "blur:gaussian,1.5+downsample:4".

    Args:
      text: names with their numbers, from the picture on, joined by "+".
      shape: (H, W, C) of the pictures.
      seed: of what an operator draws: places, rows, first guesses.
      sigma: standard deviation of the noise in a measurement.

    Raises:
      SettingError: no such operator, or one that does not fit the pictures.
    """
    parts: list[Operator] = []
    for part in text.split("+"):
        try:
            measured = parts[-1].measured if parts else shape
            if len(measured) != 3 or (parts and measured[2] not in (1, 3)):
                raise InputError("follows what gives no picture; let it come first")
            parts.append(_made(part, measured, seed))
        except SettingError:
            raise
        except InputError as error:
            raise SettingError("operator", text, f"{part}: {error}") from None
    made = parts[0] if len(parts) == 1 else Chain(parts)
    if sigma and isinstance(parts[-1], JPEG):
        raise SettingError(
            "sigma",
            sigma,
            "noise in rounded numbers means nothing; leave it 0 for jpeg",
        )
    made.sigma = sigma
    return made


def _made(part: str, shape: Shape, seed: int) -> Operator:
    name, _, rest = part.partition(":")
    if name not in OPERATORS:
        raise InputError(f"no such operator; write {WAYS}, joined by +")
    words = rest.split(",") if rest else []
    most = _WORDS.get(name, 1)
    if name != "inpaint" and len(words) > most:
        raise InputError(f"too many numbers; write it as {OPERATORS[name][1]}")
    return OPERATORS[name][0](shape, words, seed)
