"""python -m pdm_tf.export --model=MODEL: writes a SavedModel, or a .tflite file."""

from pdm_tf import flags
from pdm_tf.config import ExportConfig
from pdm_tf.errors import SettingError


def main(argv: list[str]) -> None:
    """Exports a model, the averaged weights of a run."""
    (config,) = flags.parse(argv, ExportConfig, description=__doc__)
    if not config.model:
        raise SettingError("model", None, "is missing: name the directory of a run")
    if config.format == "savedmodel" and config.quantize != "none":
        raise SettingError(
            "quantize",
            config.quantize,
            "a SavedModel stays float32; add `format=litert`",
        )
    from pdm_tf import assemble

    given = {"variance": config.variance, "thresholding": config.thresholding}
    changes = {name: value for name, value in given.items() if value != "run"}
    if config.format == "litert":
        file, found = assemble.export_litert(config, changes)
        print(
            f"{file}: {found.sqnr:.1f} dB, Fréchet distance {found.cheaper:.4g}, the "
            f"model's {found.original:.4g}"
        )
        return
    directory = assemble.export_run(
        config.model, config.export_dir, config.sampler, **changes
    )
    print(f"SavedModel in {directory}")


if __name__ == "__main__":
    flags.run(main)
