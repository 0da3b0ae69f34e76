"""Restores pictures from measurements: inpainting, deblurring, phase retrieval, more.

Examples:
  python -m pdm_tf.inverse simulate --operator=box:0.5 --image=a.png --out=measured
  python -m pdm_tf.inverse red_diff --model=pretrained:photos --operator=box:0.5 \\
    --image=a.png --fit=crop --out=restored
  python -m pdm_tf.inverse learn_circuit --dataset=mnist --out=circuit
"""

from pdm_tf import flags
from pdm_tf.config.inverse import METHODS


def main(argv: list[str]) -> None:
    """Reads the method and its flags; measures, or solves and reports."""
    method, (config, *own) = flags.parse_method(
        argv, METHODS, description=__doc__ or ""
    )
    from pdm_tf.inverse.manifests import check, is_of_circuits, is_of_inverse
    from pdm_tf.storage.outputs import check_directory

    ours = is_of_circuits if method == "learn_circuit" else is_of_inverse
    check_directory("out", config.out, ours)  # before anything slow is loaded
    if method == "learn_circuit":
        from pdm_tf.inverse.circuits.files import learn_circuit

        print(learn_circuit(config))
        return
    if method == "simulate":
        from pdm_tf.inverse.simulate import simulate

        print(simulate(config, *own))
        return
    check(config, own[0])
    from pdm_tf.progress import say

    say("loading TensorFlow …")
    from pdm_tf.assemble.inverse import solve

    print(solve(method, config, *own))
    print(f"pictures, sheet.png and report.json in {config.out}")


if __name__ == "__main__":
    flags.run(main)
