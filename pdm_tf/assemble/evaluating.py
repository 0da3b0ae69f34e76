"""The methods of `python -m pdm_tf.evaluation`: any model opened, then evaluated."""

from functools import partial

from pdm_tf.assemble.generators import open_generator
from pdm_tf.assemble.models import open_model
from pdm_tf.config import (
    AuditConfig,
    CompareConfig,
    EvaluationConfig,
    LikelihoodConfig,
    MemorisationConfig,
    TrainDigitsConfig,
)
from pdm_tf.storage.locks import locked_place


def metrics(config: EvaluationConfig) -> str:
    """Measures pictures or those of a model; returns a table."""
    from pdm_tf.evaluation.evaluate import check, evaluate
    from pdm_tf.evaluation.report import format_report

    check(config)
    opener = partial(open_generator, trust=config.trust_model)
    with locked_place("out", config.out):
        return format_report(evaluate(config, opener))


def likelihood(config: LikelihoodConfig) -> str:
    """Measures the likelihood of pictures under a model; returns a table."""
    from pdm_tf.evaluation.likelihood import report

    report.check(config)
    with locked_place("out", config.out):
        model = open_model(config.model, "model")
        variance = model.settings.sampling.variance
        made = report.report_likelihood(config, model.denoiser, variance)
        return report.format_likelihood(made)


def compare(config: CompareConfig) -> str:
    """Compares two models; returns a table."""
    from pdm_tf.evaluation import comparison

    comparison.check(config)
    opener = partial(open_generator, trust=config.trust_model)
    with locked_place("out", config.out):
        return comparison.format_comparison(comparison.compare(config, opener))


def memorisation(config: MemorisationConfig) -> str:
    """Looks for the nearest training picture of each sample; returns what it found."""
    from pdm_tf.evaluation import memorisation as searching

    searching.check(config)
    opener = partial(open_generator, trust=config.trust_model)
    with locked_place("out", config.out):
        return searching.format_memorisation(searching.search(config, opener))


def audit(config: AuditConfig) -> str:
    """Scores pictures by how rare they are for a model; returns a table."""
    from pdm_tf.evaluation import data_audit

    data_audit.check(config)
    with locked_place("out", config.out):
        model = open_model(config.model, "model")
        made = data_audit.audit(config, model.denoiser, model.class_names)
        return data_audit.format_audit(made)


def train_digits(config: TrainDigitsConfig) -> str:
    """Trains the classifier of digits; returns what came of it."""
    from pdm_tf.evaluation.train_digits import train_and_write

    return train_and_write(config.out)
