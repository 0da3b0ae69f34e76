"""Pictures of a data set that may lie behind a noisy one: draws from q(x | z)."""

import numpy as np

from pdm_tf.data.images import to_float
from pdm_tf.diffusion import NoiseSchedule


def posterior(
    pictures: np.ndarray,
    z: np.ndarray,
    t: int,
    schedule: NoiseSchedule,
    chunk_size: int = 1024,
) -> np.ndarray:
    """Probability of each picture given z_t, the weights of equation 4.

    Args:
      pictures: uint8 [N, H, W, C].
      z: float32 [B, H, W, C].
      t: timestep of z.
      schedule: where t gets its level.
      chunk_size: pictures held in float64 at once.

    Returns:
      float64 [B, N], rows that sum to 1.
    """
    rows = z.reshape(len(z), -1).astype(np.float64)
    snr = np.exp(schedule.log_snr[t])
    rows /= np.exp(0.5 * schedule.log_alpha[t])  # x + noise of variance 1 / SNR
    scores = np.empty((len(z), len(pictures)))
    for first in range(0, len(pictures), chunk_size):
        x = to_float(pictures[first : first + chunk_size]).astype(np.float64)
        x = x.reshape(len(x), -1)
        gaps = rows @ x.T - 0.5 * np.square(x).sum(axis=1)
        scores[:, first : first + len(x)] = snr * gaps
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def effective_count(weights: np.ndarray) -> np.ndarray:
    """How many pictures share the weight [B, N], exp of the entropy: float64 [B]."""
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return np.exp(-(weights * logs).sum(axis=1))


def reconstruct(
    pictures: np.ndarray, weights: np.ndarray, count: int, seed: int
) -> np.ndarray:
    """Draws from q(x | z): uint8 [B, count, H, W, C] for weights [B, N]."""
    random = np.random.default_rng(seed)
    drawn = [random.choice(len(pictures), count, p=row) for row in weights]
    return np.stack([pictures[rows] for rows in drawn])
