"""The command line of `pdm-tf web`."""

from dataclasses import dataclass

from pdm_tf.config.options import option
from pdm_tf.config.trust import trusting


@dataclass(frozen=True)
class WebConfig:
    """The command line of `pdm-tf web`."""

    model: str = option(
        "pretrained:mnist",
        "Model to try: the directory of a run, of a split or of a derived model, a "
        "SavedModel or a .tflite file, or pretrained:NAME.",
    )
    beside: tuple[str, ...] = option(
        (), "Models to compare it with, such as those that were derived from it."
    )
    circuit: str = option(
        "",
        "Directory that `python -m pdm_tf.inverse learn_circuit` made of pictures like "
        "the model's; with it the page inpaints by tiramisu too.",
    )
    trust_model: bool = trusting()
    host: str = option(
        "127.0.0.1",
        "Address to listen on. The default is reached from this machine alone; 0.0.0.0 "
        "lets everybody in who reaches it, and nobody is asked who they are.",
    )
    port: int = option(
        7860, "Port to listen on; 0: one that is free.", low=0, high=65535
    )
    max_pictures: int = option(64, "Pictures that a visitor may ask for.", low=1)
    max_steps: int = option(250, "Steps that a visitor may ask for.", low=1)
    max_upload: int = option(
        10, "Size of a picture that is uploaded, at most [MB].", low=1
    )
    max_waiting: int = option(
        16, "Visitors that wait while a picture is drawn; more are turned away.", low=1
    )
