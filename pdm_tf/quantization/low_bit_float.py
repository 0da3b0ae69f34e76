"""Low-bit floating point: weights and activations in FP8, or weights in FP4.

Each tensor chooses how many of its bits are exponent, and its largest number, by least
squared error; FP4 weights then learn whether to go down or up.
"""

from pdm_tf.config.quantization import LowBitFloatConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.float_layer import FloatLayer
from pdm_tf.quantization.observing import observe
from pdm_tf.quantization.q_diffusion import choice_of, recipe_of
from pdm_tf.quantization.reconstruction import reconstruct_weights
from pdm_tf.quantization.spec import spec_of

__all__ = ["KIND", "PAPER", "Config", "derive", "measure"]

KIND = "quantized"
PAPER = "Low-Bitwidth Floating Point Quantization of Diffusion Models, arXiv 2408.06995"
REPORTED = "no noticeable loss in FP8; FP4 weights with learned rounding"
NOT_REPRODUCED = (
    "arithmetic of 8 and 4 bits; the paper's text was not at hand: the grid of largest "
    "numbers, one for each output channel, and learning by blocks are ours"
)


def fit(fitting: Fitting, config: Config) -> None:
    """Formats of least error; 4-bit weights learn to round."""
    watched = [p for p, layer in fitting.plan.items() if layer.spec.activations]
    seen = observe(fitting.denoise, fitting.rows, watched)
    for path, layer in fitting.plan.items():
        assert isinstance(layer, FloatLayer)
        if layer.spec.weights and layer.shape:
            layer.round_kernel(fitting.kernel(path))
        if layer.spec.activations:
            layer.fit_inputs(seen[path])
    if config.weight_bits < 8 and config.iterations:
        reconstruct_weights(fitting, recipe_of(config))


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base in floating-point numbers of few bits.

    Args:
      base: any composition of denoisers of networks.
      config: bits, 4 or 8, and how 4-bit weights learn.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: settings that there cannot be.
    """
    recipe_of(config)
    spec = spec_of(config, scheme="float")
    choose = choice_of(config)
    return quantized(base, config, context, spec, lambda f: fit(f, config), choose)
