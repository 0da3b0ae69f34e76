"""Makes the paper's figures and its table again, at small scale.

Small networks are trained first where they are needed, which takes minutes; each figure
leaves PNG, CSV and text in --out, and says what the paper claims and what was found.

Example: python -m pdm_tf.analysis figure2 --out=analysis
"""

from pdm_tf import flags
from pdm_tf.config.analysing import FIGURES

STOPPED = 130  # the exit code of what Ctrl-C has ended


def main(argv: list[str]) -> int:
    """Reads the figure's name and the flags, and makes it."""
    figure, (config,) = flags.parse_method(
        argv, FIGURES, description=__doc__ or "", kind="figure"
    )
    from pdm_tf.progress import say

    say("loading TensorFlow …")
    from pdm_tf.analysis.making import make

    try:
        make(figure, config)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here")
        return STOPPED
    return 0


if __name__ == "__main__":
    flags.run(main)
