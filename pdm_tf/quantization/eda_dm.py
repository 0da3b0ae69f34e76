"""EDA-DM: calibration data where trajectories are dense and varied, and blocks that
learn together with their layers.

How many evaluations each step of the sampler gives is found from the middle's features
(TDAC): steps near many others count for them, and steps unlike the others count for
themselves. Then every block learns rounding and ranges at once, its layers' own errors
beside that of the block (FBR).
"""

import numpy as np

from pdm_tf.config.quantization import EDADMConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.quantization.blocks import blocks_of, read_block
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.cost import compare_costs as measure
from pdm_tf.quantization.deriving import Fitting, quantized
from pdm_tf.quantization.fine_grained import reconstruct_finely
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.reconstruction import Recipe, check_counts
from pdm_tf.quantization.spec import LayerSpec, spec_of

__all__ = ["KIND", "PAPER", "Config", "allot", "derive", "draw_rows", "measure"]

KIND = "quantized"
PAPER = (
    "EDA-DM: Enhanced Distribution Alignment for Post-Training Quantization of "
    "Diffusion Models, arXiv 2401.04585"
)
REPORTED = "pictures of a 4-bit model as good as those of the full-precision one"
NOT_REPRODUCED = (
    "Stable Diffusion, COCO; 20,000 iterations a block; a threshold of density for "
    "each model, in whose place the median of all distances is taken"
)
MIDDLE = "middle_attention"  # whose output is a step's feature, in a U-Net
SEEN = 16  # evaluations of each step that features are taken of


def allot(
    features: np.ndarray, count: int, variety_weight: float, radius: float | None = None
) -> np.ndarray:
    """How many evaluations each step gives, int [S], `count` in all.

    Args:
      features: of each step, [S, N, L, C]: pictures, positions and channels.
      count: of evaluations.
      variety_weight: of unlikeness in direction, beside density.
      radius: mean squared difference up to which steps are neighbours; None: the
        median of all pairs, so that the scale of features does not matter.
    """
    steps = len(features)
    if steps == 1:
        return np.array([count])
    far, turned = _pairs(features.astype(np.float64))
    others = ~np.eye(steps, dtype=bool)
    radius = float(np.median(far[others])) if radius is None else radius
    density = ((far <= radius) & others).sum(axis=1)
    weights = _scaled(density) + variety_weight * _scaled(turned.sum(axis=1))
    if not weights.any():
        weights = np.ones(steps)
    found = np.round(count * weights / weights.sum()).astype(int)
    # What rounding left over is the largest step's; a surplus is taken from the end.
    found[found.argmax()] += max(0, count - found.sum())
    before = np.cumsum(found) - found
    return np.minimum(found, np.maximum(0, count - before))


def _pairs(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared differences of steps, and sums of 1 - cosine over positions."""
    steps = len(features)
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    turned = features / np.maximum(lengths, 1e-12)
    far, unlike = np.zeros((steps, steps)), np.zeros((steps, steps))
    for i in range(steps):
        far[i] = np.square(features - features[i]).mean(axis=(1, 2, 3))
        cosine = (turned * turned[i]).sum(axis=-1)
        unlike[i] = (1 - cosine).sum(axis=2).mean(axis=1)
    np.fill_diagonal(unlike, 0.0)
    return far, unlike


def _scaled(values: np.ndarray) -> np.ndarray:
    """From 0 to 1; equal ones are 0."""
    span = np.ptp(values)
    if span <= 1e-9 * np.abs(values).max():
        return np.zeros(len(values))
    return (values - values.min()) / span


def features_of(fitting: Fitting) -> np.ndarray:
    """What the middle gives at each step, noisiest first, see `allot`."""
    visited = np.unique(fitting.rows.t)[::-1]
    chosen = [np.flatnonzero(fitting.rows.t == t)[:SEEN] for t in visited]
    rows = fitting.rows.taken(np.concatenate(chosen))
    names = [block.name for block in blocks_of(fitting.denoise.network)]
    middle = MIDDLE if MIDDLE in names else names[len(names) // 2]
    found = read_block(fitting.denoise, {}, rows, middle).output
    return found.reshape(len(visited), len(found) // len(visited), -1, found.shape[-1])


def draw_rows(rows: Rows, counts: np.ndarray, seed: int) -> Rows:
    """So many rows of each step, noisiest first; each again only when all were drawn.

    Args:
      rows: of all steps.
      counts: int [S].
      seed: of the draw.
    """
    rng, chosen = np.random.default_rng(seed), []
    for t, count in zip(np.unique(rows.t)[::-1], counts, strict=True):
        there = rng.permutation(np.flatnonzero(rows.t == t))
        chosen.append(np.resize(there, count))
    return rows.taken(np.concatenate(chosen))


def fit(fitting: Fitting, config: Config) -> None:
    """Ranges of least error; then blocks and layers learn on the rows allotted."""
    fit_nearest(fitting, "mse")
    steps = len(np.unique(fitting.rows.t))
    if config.allotted:
        found = features_of(fitting)
        counts = allot(found, config.evaluations, config.variety_weight)
    else:
        counts = np.bincount(np.arange(config.evaluations) % steps, minlength=steps)
    fitting.context.note(f"evaluations of each step: {', '.join(map(str, counts))}")
    rows = draw_rows(fitting.rows, counts, config.seed)
    reconstruct_finely(
        fitting._replace(rows=rows), recipe_of(config), config.layer_weight
    )


def recipe_of(config: Config) -> Recipe:
    """How blocks are trained.

    Raises:
      SettingError: a negative number of iterations, or an empty batch.
    """
    check_counts(config, iterations=0, batch_size=1, evaluations=1)
    return Recipe(
        config.iterations,
        0,
        config.batch_size,
        config.rounding_rate,
        config.step_rate,
        seed=config.seed,
        annealed=True,
    )


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base with blocks and layers that learned on the rows of dense, varied steps.

    Args:
      base: any composition of denoisers of networks.
      config: bits, calibration and training of blocks.
      context: of the derivation.

    Raises:
      InputError: see `deriving.quantized`.
      SettingError: settings that there cannot be.
    """
    recipe_of(config)
    spec = spec_of(config, inner=LayerSpec(split=config.split))
    return quantized(base, config, context, spec, lambda f: fit(f, config))
