"""What is timed: a network of a flagfile, a batch, and a piece of work."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pdm_tf import flags
from pdm_tf.config import Config, Precision

ROOT = Path(__file__).resolve().parent.parent
# What is done once in a turn: the network is asked, takes an optimiser step, samples
# from a SavedModel, is exported, is loaded; or a batch is read.
Work = Literal["call", "train", "sample", "export", "load", "read"]
OURS = "ours"
PEERS = (
    "pytorch",
    "pytorch_compiled",
    "diffusers_unet",
)  # what a user would otherwise pick
# Processors alone; the second runs in this project's environment.
ENGINES = ("onnx_runtime", "openvino_pytorch")
LITERT = ("litert_float32", "litert_int8")
OPENVINO = (
    "openvino_float32",
    "openvino_bfloat16",
    "openvino_int8",
    "openvino_int8_bfloat16",
)
RUNTIMES = (*LITERT, *OPENVINO)


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    flagfile: str  # stem of a file in configs/
    work: Work
    batch: int  # pictures
    candidates: tuple[str, ...] = (OURS, *PEERS)
    steps: int = 50  # of a sampling

    @property
    def name(self) -> str:
        """For the table and the command line."""
        return f"{self.work}:{self.flagfile}:{self.batch}"

    def config(self, precision: Precision = "float32") -> Config:
        """The flagfile's settings, at this precision."""
        path = ROOT / "configs" / f"{self.flagfile}.flags"
        (config,) = flags.parse(["", f"--flagfile={path}"], Config)
        return replace(config, network=replace(config.network, precision=precision))

    def order(
        self, device: str = "cpu", precision: Precision = "float32"
    ) -> dict[str, Any]:
        """Plain data for the processes, which do not share a language of settings."""
        config = self.config(precision)
        return {
            "work": self.work,
            "batch": self.batch,
            "steps": self.steps,
            "device": device,
            "dataset": config.data.dataset,
            "network": asdict(config.network),
            "transformer": asdict(config.transformer),
        }


CASES = (
    Case("lsun_church_p2", "call", 1, (OURS, *PEERS, *ENGINES, "openvino_float32")),
    Case("lsun_church_p2", "call", 4),
    Case("lsun_church_p4", "call", 1, (OURS, *PEERS, *ENGINES, *RUNTIMES)),
    Case("lsun_church_p4", "call", 4),
    Case("lsun_church_p8", "call", 1, (OURS, *PEERS, *ENGINES, "openvino_float32")),
    Case("lsun_church_p8", "call", 4),
    Case("ffhq_1024", "call", 1, (OURS, "pytorch", "pytorch_compiled")),
    Case("ffhq_1024", "call", 4, (OURS, "pytorch", "pytorch_compiled")),
    Case("photos", "call", 1, (OURS, *PEERS, *ENGINES, *RUNTIMES)),
    Case("mnist", "call", 1, (OURS, *PEERS, *ENGINES, *RUNTIMES)),
    Case("photos", "call", 4, (OURS, *PEERS, *ENGINES, *RUNTIMES)),
    Case("mnist", "call", 4, (OURS, *PEERS, *ENGINES, *RUNTIMES)),
    Case("mnist", "train", 64, (OURS, "pytorch", "pytorch_compiled")),
    Case("photos", "train", 32, (OURS, "pytorch", "pytorch_compiled")),
    Case("lsun_church_p4", "train", 1, (OURS, "pytorch", "pytorch_compiled")),
    Case("photos", "sample", 4, (OURS, "calls", "diffusers_unet")),
    Case("mnist", "sample", 64, (OURS, "recipe"), steps=250),
    Case("mnist", "export", 1, (OURS,)),
    Case("mnist", "load", 1, (OURS,)),
    Case("mnist", "read", 64, (OURS,)),
    Case("photos", "read", 32, (OURS,)),
)
