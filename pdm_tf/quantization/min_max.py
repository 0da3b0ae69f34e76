"""Min-max quantisation: the naive way, which every other method is held against.

Weights for each output channel and activations for each tensor are rounded to nearest
on the range that they span (arXiv 1712.05877, section 3).
"""

from pdm_tf.config.quantization import MinMaxConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.observing import by_step, observe
from pdm_tf.quantization.ranges import fit_ranges
from pdm_tf.quantization.rounding import round_to_nearest
from pdm_tf.quantization.spec import Search, spec_of

__all__ = ["KIND", "PAPER", "Config", "derive", "fit_nearest", "measure"]

KIND = "quantized"
PAPER = (
    "Quantization and Training of Neural Networks for Efficient "
    "Integer-Arithmetic-Only Inference, arXiv 1712.05877 (its ranges)"
)


def fit_nearest(
    fitting: Fitting, search: Search = "min_max", of_inputs: Search | None = None
) -> None:
    """Weights to nearest, activations by what was observed of them.

    Args:
      fitting: of the network.
      search: how ranges are found, see `uniform.find_grid`.
      of_inputs: those of activations; None: as those of weights.
    """
    watched = [p for p, layer in fitting.plan.items() if layer.spec.activations]
    seen = observe(fitting.denoise, fitting.rows, watched)
    for path, layer in fitting.plan.items():
        if layer.spec.weights and layer.shape:
            round_to_nearest(layer, fitting.kernel(path), search)
        if layer.spec.activations:
            steps = by_step(fitting.rows, layer.step_of)
            fit_ranges(layer, seen[path], steps, of_inputs or search)


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base with weights and activations rounded within the ranges they span.

    Args:
      base: any composition of denoisers of networks.
      config: bits and calibration.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: bits or calibration that there cannot be.
    """
    return quantized(base, config, context, spec_of(config), fit_nearest)
