"""python -m pdm_tf.analysis FIGURE: the paper's figures again, at small scale.

FIGURE is figure1, figure2, figure3, figure4, table1 or all. Small networks are trained
first where they are needed, which takes minutes; each figure leaves PNG, CSV and text
in --out, and says what the paper claims and what was found.
"""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pdm_tf import flags
from pdm_tf.config import AnalysisConfig, Config, InputError
from pdm_tf.errors import SettingError

if TYPE_CHECKING:
    from pdm_tf.denoisers import Denoiser

FIGURES = ("figure1", "figure2", "figure3", "figure4", "table1")
STOPPED = 130  # the exit code of what Ctrl-C has ended


def main(argv: list[str]) -> int:
    """Reads the figure's name and the flags, and makes it."""
    word, rest = (argv[1], argv[2:]) if len(argv) > 1 else ("", [])
    if word.startswith("-"):  # no figure: perhaps --help
        word, rest = "", argv[1:]
    (config,) = flags.parse([argv[0], *rest], AnalysisConfig, description=__doc__)
    if word not in (*FIGURES, "all"):
        raise InputError(f"figure {word!r}: choose from {', '.join(FIGURES)} or all")
    try:
        for name in FIGURES if word == "all" else (word,):
            _make(name, config)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here")
        return STOPPED
    return 0


def _make(name: str, config: AnalysisConfig) -> None:
    from pdm_tf.analysis import networks, results
    from pdm_tf.evaluation.report import check_writable

    networks.check(config)
    check_writable("out", str(Path(config.out) / f"{name}.csv"))
    module = importlib.import_module(f"pdm_tf.analysis.{name}")
    for result in module.make(config, obtain):
        files = results.write_result(result, Path(config.out))
        print(results.format_result(result))
        print(f"written: {', '.join(map(str, files))}\n", flush=True)


def obtain(config: Config) -> "Denoiser":
    """A run's denoiser; the run is trained or resumed first if it is not complete.

    Raises:
      InputError: the directory holds a run with other settings.
      KeyboardInterrupt: the training was stopped, with everything saved.
    """
    from pdm_tf import assemble

    directory = Path(config.training.run_dir)
    _check_record(config, directory)
    if _steps_done(directory) < config.training.iterations:
        print(f"{directory.name}: training in {directory}", flush=True)
        if not assemble.train(config):
            raise KeyboardInterrupt
    return assemble.restore(directory)


def _check_record(config: Config, directory: Path) -> None:
    """Raises InputError where another kind of run is in the way."""
    from pdm_tf.assemble.runs import RECORD, read_settings

    if not (directory / RECORD).is_file():
        return
    found = read_settings(directory)  # settings that came later have their defaults
    length = found.training.iterations  # may grow
    wanted = replace(config, training=replace(config.training, iterations=length))
    differing = [
        line
        for line in flags.to_flagfile(wanted).splitlines()
        if line not in flags.to_flagfile(found).splitlines()
    ]
    if differing:
        raise SettingError(
            "out",
            directory.parents[1],
            f"{directory.name} in it was trained without {' '.join(differing)}; give "
            "the settings of before, or another `out`",
        )


def _steps_done(directory: Path) -> int:
    """Steps behind a run's newest checkpoint; 0 without one."""
    import tensorflow as tf

    newest = tf.train.latest_checkpoint(str(directory / "checkpoints"))
    if newest is None:
        return 0
    step = tf.train.load_variable(newest, "step/.ATTRIBUTES/VARIABLE_VALUE")
    return int(step)


if __name__ == "__main__":
    flags.run(main)
