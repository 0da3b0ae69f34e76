"""The shelf of feature extractors, by the name that `--features` takes."""

from collections.abc import Callable

from pdm_tf.config import EvaluationConfig
from pdm_tf.evaluation.digits import Digits
from pdm_tf.evaluation.extractor import Extractor
from pdm_tf.evaluation.inception import Inception
from pdm_tf.evaluation.random_convolutions import RandomConvolutions

SHELF: dict[str, Callable[[EvaluationConfig], Extractor]] = {
    "digits": lambda config: Digits(),
    "inception": lambda config: Inception(
        config.inception_graph, config.inception_sha256
    ),
    "random": lambda config: RandomConvolutions(),
}


def open_features(config: EvaluationConfig) -> Extractor:
    """The extractor that `--features` names.

    Raises:
      InputError: its weights are missing or not the expected ones.
    """
    return SHELF[config.features](config)
