"""What is quantised, and how: plain data that fake quantisation, exports and the
report of sizes read alike."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from pdm_tf.config.quantization import FLOAT, QuantizedConfig
from pdm_tf.errors import SettingError

Scheme = Literal["affine", "symmetric", "float", "log2", "binary"]
Search = Literal["min_max", "mse"]
# Patterns of whole paths, as `networks.transforms.layers_of` gives them.
OUTER = r"patches_in|patches_out|time_[12]|variance_\w+"
ATTENTION = r".*/(query|key|value|softmax)"


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written: as codes of `bits` bits.

    Attributes:
      bits: of a code, 1 to 16.
      scheme: affine: (code - zero) · scale, codes from 0 to 2^bits - 1; symmetric: the
        same with zero = 2^(bits - 1); float: a sign, exponent and mantissa bits, see
        `float_format`; log2: halvings of the largest, see `log_softmax`; binary: a
        sign for each of its bits, see `binary_layer`.
    """

    bits: int
    scheme: Scheme = "affine"


@dataclass(frozen=True)
class LayerSpec:
    """How a layer is quantised.

    Attributes:
      weights: of the kernel, scales for each output channel; None: float32.
      activations: of what it reads; None: float32.
      groups: groups of input channels, each with a range of its own.
      split: an input that is a concatenation is one group each side of the seam, and
        its kernel has scales of its own for each side (arXiv 2302.04304).
      steps: groups of timesteps, each with ranges of its own.
      shift: whether what a layer gives has a learned addition, of each channel.
    """

    weights: NumberFormat | None = None
    activations: NumberFormat | None = None
    groups: int = 1
    split: bool = False
    steps: int = 1
    shift: bool = False


@dataclass(frozen=True)
class QuantizationSpec:
    """Rules, each a pattern of whole paths with what becomes of such layers.

    The first that fits counts; a layer that none fits stays as it is.
    """

    rules: tuple[tuple[str, LayerSpec], ...]

    def of(self, path: str) -> LayerSpec | None:
        """What becomes of the layer of a path."""
        found = (spec for pattern, spec in self.rules if re.fullmatch(pattern, path))
        return next(found, None)

    def with_first(self, pattern: str, scheme: Scheme) -> "QuantizationSpec":
        """The same with what a path that fits reads written by another scheme.

        Args:
          pattern: of whole paths to which one of the rules applies.
          scheme: of their activations.
        """
        return self._changed(pattern, lambda spec: _read_by(spec, scheme))

    def shifted(self, pattern: str) -> "QuantizationSpec":
        """The same with learned additions to what layers that fit give."""
        return self._changed(pattern, lambda spec: replace(spec, shift=True))

    def _changed(
        self, pattern: str, change: Callable[[LayerSpec], LayerSpec]
    ) -> "QuantizationSpec":
        changed = tuple(
            (f"(?=(?:{pattern})$)(?:{fits})", change(spec)) for fits, spec in self.rules
        )
        return QuantizationSpec(changed + self.rules)


def _read_by(spec: LayerSpec, scheme: Scheme) -> LayerSpec:
    form = spec.activations
    return replace(spec, activations=form and NumberFormat(form.bits, scheme))


def format_of(
    setting: str, bits: int, scheme: Scheme = "affine", least: int = 2
) -> NumberFormat | None:
    """The format of a number of bits; None for float32.

    Raises:
      SettingError: bits that there is no format of.
    """
    if bits == FLOAT:
        return None
    if scheme == "float" and bits not in (4, 8):
        raise SettingError(setting, bits, "choose 4 or 8, or 32 for float32")
    if not least <= bits <= 16:
        raise SettingError(setting, bits, f"choose {least} to 16, or 32 for float32")
    return NumberFormat(bits, scheme)


def spec_of(
    config: QuantizedConfig, scheme: Scheme = "affine", inner: LayerSpec | None = None
) -> QuantizationSpec:
    """The rules that the settings of a method describe.

    Args:
      config: settings.
      scheme: of weights and activations both; of attention's factors always affine.
      inner: groups, split and steps of all layers but the outer ones.

    Raises:
      SettingError: bits that there is no format of.
    """
    like = inner or LayerSpec()
    weights = format_of("weight_bits", config.weight_bits, scheme)
    activations = format_of("activation_bits", config.activation_bits, scheme)
    outer = LayerSpec(
        format_of("outer_bits", max(config.outer_bits, config.weight_bits), scheme),
        format_of("outer_bits", max(config.outer_bits, config.activation_bits), scheme),
        steps=like.steps,
    )
    of_factors: Scheme = "float" if scheme == "float" else "affine"
    attention = format_of("attention_bits", config.attention_bits, of_factors)
    factors = LayerSpec(None, attention, steps=like.steps)
    rest = LayerSpec(weights, activations, like.groups, like.split, like.steps)
    return QuantizationSpec(((OUTER, outer), (ATTENTION, factors), (r".*", rest)))
