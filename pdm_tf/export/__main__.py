"""python -m pdm_tf.export --run_dir=RUN: writes the run's SavedModel."""

from pdm_tf import flags
from pdm_tf.config import ExportConfig, InputError


def main(argv: list[str]) -> None:
    """Exports the averaged weights of a run."""
    (config,) = flags.parse(argv, ExportConfig, description=__doc__)
    if not config.run_dir:
        raise InputError("--run_dir is missing: name the directory of a run")
    from pdm_tf import assemble

    asked = {"variance": config.variance, "thresholding": config.thresholding}
    changes = {name: value for name, value in asked.items() if value != "run"}
    directory = assemble.export_run(
        config.run_dir, config.export_dir, config.sampler, **changes
    )
    print(f"SavedModel in {directory}")


if __name__ == "__main__":
    flags.run(main)
