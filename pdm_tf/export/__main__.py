"""python -m pdm_tf.export --model=MODEL: writes it for TensorFlow, LiteRT, OpenVINO."""

from typing import Any

from pdm_tf import flags
from pdm_tf.config import ExportConfig
from pdm_tf.errors import SettingError
from pdm_tf.progress import say


def main(argv: list[str]) -> None:
    """Exports a model, the averaged weights of a run."""
    (config,) = flags.parse(argv, ExportConfig, description=__doc__)
    if not config.model:
        raise SettingError("model", None, "is missing: name the directory of a run")
    _check_format(config)
    say("loading TensorFlow …")
    from pdm_tf import assemble

    given = {"variance": config.variance, "thresholding": config.thresholding}
    changes: dict[str, Any] = {n: v for n, v in given.items() if v != "run"}
    if config.guidance_each:
        changes["guidance_each"] = config.guidance_each
    if config.format != "savedmodel":
        place, found = assemble.export_network(config, changes)
        print(
            f"{place}: {found.sqnr:.1f} dB, Fréchet distance {found.cheaper:.4g}, the "
            f"model's {found.original:.4g}"
        )
        return
    if config.serving_dir:
        directory = assemble.export_for_serving(
            config.model, config.serving_dir, config.sampler, **changes
        )
    else:
        directory = assemble.export_run(
            config.model, config.export_dir, config.sampler, **changes
        )
    print(f"SavedModel in {directory}")


def _check_format(config: ExportConfig) -> None:
    """Raises SettingError for a setting of another format than the one chosen."""
    if config.serving_dir and config.format != "savedmodel":
        remedy = "is for `format=savedmodel`, which TensorFlow Serving reads"
        raise SettingError("serving_dir", config.serving_dir, remedy)
    if config.serving_dir and config.export_dir:
        remedy = "goes to one place; leave out one of the two"
        others = {"export_dir": config.export_dir}
        raise SettingError("serving_dir", config.serving_dir, remedy, **others)
    if config.format != "litert" and config.quantize != "none":
        remedy = "is for .tflite files; add `format=litert`"
        raise SettingError("quantize", config.quantize, remedy)
    if config.format != "openvino" and config.precision != "float32":
        remedy = "is for OpenVINO; add `format=openvino`"
        raise SettingError("precision", config.precision, remedy)


if __name__ == "__main__":
    flags.run(main)
