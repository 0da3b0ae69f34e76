"""Findings as lines of a report."""

from collections.abc import Callable, Iterable

from pdm_tf.doctor.findings import Finding
from pdm_tf.errors import InputError


def show(
    findings: Iterable[Finding], formatted: Callable[[InputError], str]
) -> list[InputError]:
    """Prints findings as they come, then what must change before a training.

    Args:
      findings: some of them with advice.
      formatted: an advice -> its line.

    Returns:
      All advice.
    """
    advice = []
    for finding in findings:
        print(f"{finding.name:<16} {finding.text}", flush=True)
        if finding.advice:
            advice.append(finding.advice)
    for error in advice:
        print(f"change: {formatted(error)}")
    return advice
