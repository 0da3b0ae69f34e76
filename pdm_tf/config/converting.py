"""The command line of `python -m pdm_tf.convert`."""

from dataclasses import dataclass

from pdm_tf.config.options import option
from pdm_tf.config.sampling import JIT_GUIDANCE


@dataclass(frozen=True)
class ConvertJiTConfig:
    """A checkpoint of JiT's authors' code, or its weights as safetensors."""

    checkpoint: str = option(
        "",
        "File that torch.save wrote (checkpoint-last.pth), or a *.safetensors file "
        "with the same names. PyTorch is not needed, and nothing in it is executed.",
    )
    out: str = option(
        "",
        "Directory of the run that is made: it samples, is edited, exported and "
        "derived from, and train.py --init_from starts from it.",
    )
    weights: str = option(
        "model_ema1",
        "Which weights of the checkpoint: model_ema1, the average that its authors "
        "use, model_ema2 or model.",
    )
    context_start: int | None = option(
        None,
        "First block that has the tokens of the class; not given: that of the "
        "published network of the same depth.",
        low=0,
    )
    noise_scale: float | None = option(
        None,
        "Standard deviation of the noise that sampling begins with; not given: the "
        "height of the pictures divided by 256 pixels, as its authors have it.",
        low=0,
    )
    guidance: float = option(
        JIT_GUIDANCE,
        "Guidance weight w that samples have by default.",
        low=-100,
        high=100,
    )
    class_names: str = option(
        "", "Text file with the name of a class in each line, in the order of labels."
    )


KINDS = {"jit": ConvertJiTConfig}
