"""Which precisions a processor computes in itself; the others it imitates, slowly."""

import sys
from functools import cache
from pathlib import Path

import tensorflow as tf

CPU_DESCRIPTION = Path("/proc/cpuinfo")  # Linux; elsewhere nothing is known
_ABLE = {  # words of which one is in the description of an able processor
    "mixed_bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},
    "mixed_float16": {"avx512_fp16", "amx_fp16", "asimdhp"},
}


def imitates(precision: str, description: str) -> bool:
    """Whether a processor, by its /proc/cpuinfo, has no arithmetic of a precision.

    What has no description is not judged.
    """
    words = set(description.split())
    return bool(words) and not words & _ABLE.get(precision, words)


@cache
def warn_of_imitation(precision: str) -> None:
    """Says on stderr, once, that a precision will be slower than float32 here."""
    kinds = {device.device_type for device in tf.config.list_physical_devices()}
    if kinds - {"CPU"}:
        return
    try:
        description = CPU_DESCRIPTION.read_text()
    except OSError:
        return
    if imitates(precision, description):
        print(
            f"warning: precision={precision}: this processor only imitates it, "
            "several times slower than precision=float32; no accelerator was found",
            file=sys.stderr,
        )
