"""How pictures are changed before they are learnt from."""

from dataclasses import dataclass

from pdm_tf.config.options import option

# EDM's transforms (arXiv 2206.00364, appendix F.2).
TRANSFORMS = ("mirror", "flip", "scale", "rotate", "stretch", "shift")


@dataclass(frozen=True)
class AugmentingConfig:
    """Augmentation beside --horizontal_flip and --augment; --augment does not leak."""

    augment_transforms: tuple[str, ...] = option(
        TRANSFORMS,
        "Transforms of --augment, of mirror (left to right), flip (upside down), "
        "scale, rotate, stretch and shift.",
    )
    vertical_flip: bool = option(
        False, "Turn half of the pictures, chosen at random, upside down; samples too."
    )
    random_crop: int = option(
        0,
        "Largest random shift of a picture [pixels], its edges mirrored; samples are "
        "shifted too.",
        low=0,
    )
    colour_jitter: float = option(
        0.0,
        "Largest random change of brightness, contrast and saturation, as a share; "
        "samples have such colours too.",
        low=0,
        high=1,
    )
