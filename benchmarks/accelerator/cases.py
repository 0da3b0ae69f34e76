"""What is raced on an accelerator, the most telling first."""

from dataclasses import dataclass

from benchmarks.cases import Case

PRECISIONS = ("float32", "mixed_bfloat16")
_TRAINING = 3  # a step is taken as so many evaluations


@dataclass(frozen=True)
class AcceleratorCase(Case):
    """A case whose batch fills an accelerator."""

    @property
    def evaluations(self) -> int:
        """Of the network, for a picture."""
        return {"train": _TRAINING, "sample": self.steps}.get(self.work, 1)


CASES = (
    AcceleratorCase("lsun_church_p4", "call", 16),
    AcceleratorCase("lsun_church_p4", "train", 8),
    AcceleratorCase("jit_b16_imagenet256", "call", 16),
    AcceleratorCase("lsun_church_p2", "call", 16),
    AcceleratorCase("lsun_church_p8", "call", 16),
    AcceleratorCase("lsun_church_p4", "sample", 16),
    AcceleratorCase("lsun_church_p2", "train", 8),
    AcceleratorCase("lsun_church_p8", "train", 8),
    AcceleratorCase("jit_b16_imagenet256", "train", 32),
    AcceleratorCase("ffhq_1024", "call", 4),
    AcceleratorCase("ffhq_1024", "train", 2),
)
