"""What is timed: a network of a flagfile, a batch, and a piece of work."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pdm_tf import flags
from pdm_tf.config import Config

ROOT = Path(__file__).resolve().parent.parent
Work = Literal["call", "train"]


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    flagfile: str  # stem of a file in configs/
    work: Work  # "call": the network once; "train": one optimiser step
    batch: int  # pictures
    candidates: tuple[str, ...] = ("ours", "pytorch", "diffusers_unet")

    @property
    def name(self) -> str:
        """For the table and the command line."""
        return f"{self.work}:{self.flagfile}:{self.batch}"

    def order(self) -> dict[str, Any]:
        """Plain data for the processes, which do not share a language of settings."""
        path = ROOT / "configs" / f"{self.flagfile}.flags"
        (config,) = flags.parse(["", f"--flagfile={path}"], Config)
        network = {**asdict(config.network), "precision": "float32"}
        return {"work": self.work, "batch": self.batch, "network": network}


CASES = (
    Case("lsun_church_p2", "call", 1),
    Case("lsun_church_p4", "call", 1),
    Case("lsun_church_p4", "call", 4),
    Case("lsun_church_p8", "call", 1),
    Case("lsun_church_p8", "call", 4),
    Case("ffhq_1024", "call", 1, ("ours", "pytorch")),
    Case("mnist", "call", 1),
    Case("mnist", "call", 4),
    Case("mnist", "train", 64, ("ours", "pytorch")),
    Case("photos", "train", 32, ("ours", "pytorch")),
    Case("lsun_church_p4", "train", 1, ("ours", "pytorch")),
)
