"""python -m pdm_tf.export --run_dir=RUN: the run's model as a SavedModel, or a file."""

from pdm_tf import flags
from pdm_tf.config import ExportConfig, InputError


def main(argv: list[str]) -> None:
    """Exports the averaged weights of a run."""
    (config,) = flags.parse(argv, ExportConfig, description=__doc__)
    if not config.run_dir:
        raise InputError("--run_dir is missing: name the directory of a run")
    if config.format == "savedmodel" and config.quantize != "none":
        raise InputError(
            f"--quantize={config.quantize}: a SavedModel stays float32; add "
            "--format=litert"
        )
    from pdm_tf import assemble

    asked = {"variance": config.variance, "thresholding": config.thresholding}
    changes = {name: value for name, value in asked.items() if value != "run"}
    if config.format == "litert":
        file, found = assemble.export_litert(config, changes)
        print(
            f"{file}: {found.sqnr:.1f} dB, Fréchet distance {found.cheaper:.4g}, the "
            f"model's {found.original:.4g}"
        )
        return
    directory = assemble.export_run(
        config.run_dir, config.export_dir, config.sampler, **changes
    )
    print(f"SavedModel in {directory}")


if __name__ == "__main__":
    flags.run(main)
