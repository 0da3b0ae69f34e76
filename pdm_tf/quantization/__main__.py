"""Stores weights and computes activations in few bits.

Example: python -m pdm_tf.quantization min_max --base=pretrained:mnist --out=DIR
`compare` in the place of a method applies several and shows them beside each other.
"""

from pdm_tf import flags
from pdm_tf.assemble.method_command import run_method
from pdm_tf.config import DeriveConfig
from pdm_tf.config.quantization import METHODS, CompareMethodsConfig
from pdm_tf.errors import SettingError


def main(argv: list[str]) -> int:
    """Derives a model of few bits, or several; goes on with one that was stopped."""
    if argv[1:2] == ["compare"]:
        return _compare(argv)
    return run_method(argv, METHODS, __doc__ or "")


def _compare(argv: list[str]) -> int:
    known = {"compare": CompareMethodsConfig}
    _, (shared, own) = flags.parse_method(
        argv, known, DeriveConfig, description=__doc__ or ""
    )
    unknown = [name for name in own.methods if name not in METHODS]
    if unknown or not own.methods:
        remedy = f"choose from {', '.join(METHODS)}"
        raise SettingError("methods", ",".join(unknown), remedy)
    for setting in ("base", "out"):
        if not getattr(shared, setting):
            raise SettingError(setting, None, "is missing")
    from pdm_tf.assemble.methods_compared import compare_methods

    print(compare_methods(shared, own.methods, own))
    return 0


if __name__ == "__main__":
    flags.run(main)
