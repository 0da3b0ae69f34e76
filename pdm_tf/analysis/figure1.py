"""Figure 1: x* as t grows, and reconstructions that are possible (section 2.2)."""

from pdm_tf.analysis import blur, guesses
from pdm_tf.analysis.networks import Obtain
from pdm_tf.analysis.results import Result
from pdm_tf.config import AnalysisConfig


def make(config: AnalysisConfig, obtain: Obtain) -> list[Result]:
    """Both halves of the figure: `blur` is 1a, `guesses` is 1b."""
    return [blur.make(config, obtain), guesses.make(config)]
