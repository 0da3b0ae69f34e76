"""Restores pictures from measurements: inpainting, deblurring, phase retrieval, more.

Example: python -m pdm_tf.inverse simulate --operator=box:0.5 --image=a.png --out=box
"""

from pdm_tf import flags
from pdm_tf.inverse import METHODS


def main(argv: list[str]) -> None:
    """Reads the method and its flags; measures."""
    _, (config, own) = flags.parse_method(argv, METHODS, description=__doc__ or "")
    from pdm_tf.inverse.manifests import is_of_inverse
    from pdm_tf.storage.outputs import check_directory

    check_directory("out", config.out, is_of_inverse)  # before anything slow is loaded
    from pdm_tf.inverse.simulate import simulate

    print(simulate(config, own))


if __name__ == "__main__":
    flags.run(main)
