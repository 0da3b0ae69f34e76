"""Samples pictures from a model; a stopped command goes on when repeated.

Example: pdm-tf sample --model=runs/mnist --num_images=64 --seed=0
In a checkout, python sample.py is the same.
"""

from pdm_tf import flags
from pdm_tf.config import SampleConfig
from pdm_tf.errors import SettingError


def main(argv: list[str]) -> None:
    """Reads the flags, opens the model and writes its pictures."""
    (config,) = flags.parse(argv, SampleConfig, description=__doc__ or "")
    if not config.model:
        raise SettingError(
            "model", None, "is missing: name the directory of a run or of its export/"
        )
    from pdm_tf.serving.samples import is_of_samples
    from pdm_tf.storage.outputs import check_directory

    check_directory("out_dir", config.out_dir, is_of_samples)
    print(
        f"sampling {config.num_images} pictures of {config.model}; opening it …",
        flush=True,
    )
    from pdm_tf.serving.starting import start_tensorflow

    start_tensorflow()
    from pdm_tf.assemble.generators import open_generator, with_guidance_each
    from pdm_tf.serving import write_samples

    generator = open_generator("model", config.model, config.trust_model)
    generator = with_guidance_each(generator, config.guidance_each)
    try:
        directory = write_samples(generator, config)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on") from None
    print(f"pictures and grid.png in {directory}")
    if config.film != "none":
        from pdm_tf.assemble.filming import make_film

        print(f"film in {make_film(config)}")
