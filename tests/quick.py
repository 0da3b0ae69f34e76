"""Of a law with dear cases some are tried in the quick set, and all in the slow one."""

from collections.abc import Collection, Iterable

import pytest


def cases(values: Iterable, quick: Collection, ids=str) -> list:
    """Parameters of a test: those not in `quick` are marked as slow."""
    values = list(values)
    assert all(value in values for value in quick), "no such case"
    return [
        pytest.param(
            value,
            id=ids(value),
            marks=[pytest.mark.slow] * (value not in quick),
        )
        for value in values
    ]
