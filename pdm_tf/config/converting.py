"""The command line of `python -m pdm_tf.convert`."""

from dataclasses import dataclass
from typing import Literal

from pdm_tf.config.options import option
from pdm_tf.config.sampling import GUIDANCE, JIT_GUIDANCE


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
        "",
        "Text file with the name of a class in each line, in the order of labels; not "
        "given, 1,000 classes have the names of ImageNet's.",
    )


@dataclass(frozen=True)
class ConvertPatchDiffusionConfig:
    """A checkpoint of the paper's authors' PyTorch code, or its weights as safetensors.

    What no weight tells is given: the size of pictures, the schedule, and of the two
    networks of ImageNet which levels each is for.
    """

    checkpoint: str = option(
        "",
        "File that torch.save wrote (lsun_weights_p4.pt), or a *.safetensors file with "
        "the same names. PyTorch is not needed, and nothing in it is executed.",
    )
    out: str = option(
        "",
        "Directory of the run that is made: it samples, is edited, exported and "
        "derived from, and train.py --init_from starts from it.",
    )
    weights: str = option(
        "", "Entry of the file that holds the weights; empty: the file is the weights."
    )
    image_shape: tuple[int, ...] = option(
        (256, 256, 3), "Height, width [pixels] and channels of a picture."
    )
    beta_end: float = option(
        0.02,
        "Last beta of the linear schedule (0.025 for 1024-pixel FFHQ).",
        low=0,
        high=1,
    )
    snr_low: float = option(
        0.0,
        "Lowest signal-to-noise ratio that it is for: 0.25 for imagenet_weights_0.pt.",
        low=0,
    )
    snr_high: float = option(
        0.0,
        "Highest one; 0: no upper end. 0.25 for imagenet_weights_1.pt; pdm-tf split "
        "joins both.",
        low=0,
    )
    guidance: float = option(
        GUIDANCE,
        "Guidance weight w that samples have by default.",
        low=-100,
        high=100,
    )
    class_names: str = option(
        "",
        "Text file with the name of a class in each line, in the order of labels; not "
        "given, 1,000 classes have the names of ImageNet's.",
    )


@dataclass(frozen=True)
class ConvertSafetensorsConfig:
    """The weights of any model as one safetensors file, for other programs."""

    model: str = option(
        "",
        "Model: the directory of a run, of a split or of a derived model, or "
        "pretrained:NAME.",
    )
    out: str = option(
        "",
        "Directory that is made: model.safetensors, and config.json with what the "
        "weights mean.",
    )
    names: Literal["own", "authors"] = option(
        "own",
        "own: as pdm_tf names them, kernels [..., in, out]; authors: as the PyTorch "
        "code of the network's authors does, kernels [out, in, ...], so that it loads "
        "them. A network's own weights alone have these.",
    )


@dataclass(frozen=True)
class ConvertKerasConfig:
    """A network as Keras keeps it, model.keras and model.weights.h5."""

    model: str = option(
        "",
        "Model with one network and nothing added to its layers: the directory of a "
        "run, or pretrained:NAME.",
    )
    out: str = option(
        "",
        "Directory that is made: model.keras, which keras.models.load_model reads, "
        "model.weights.h5, which load_weights of the same network reads, and "
        "config.json with the settings.",
    )


KINDS = {
    "jit": ConvertJiTConfig,
    "patch_diffusion": ConvertPatchDiffusionConfig,
    "safetensors": ConvertSafetensorsConfig,
    "keras": ConvertKerasConfig,
}
