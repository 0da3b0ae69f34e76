"""The command lines of sample.py and of `python -m pdm_tf.ROOM`."""

from dataclasses import dataclass

from pdm_tf.config.options import LAST_SEED, Film, option
from pdm_tf.config.sampling import BEST
from pdm_tf.config.trust import trusting


@dataclass(frozen=True)
class SampleConfig:
    """The command line of `sample.py`."""

    model: str = option(
        "",
        "Model to sample from: the directory of a run, of a split, of a derived model "
        "or of a SavedModel, a .tflite file, or the address of a model in TensorFlow "
        "Serving, such as http://localhost:8501/v1/models/pdm.",
        aliases=("savedmodel", "litert", "run_dir"),
    )
    out_dir: str = option("samples", "Where pictures, grid, npz and manifest go.")
    num_images: int = option(64, "Number of pictures.", low=1)
    seed: int = option(
        0, "Seed of the first picture; picture k has seed + k.", low=0, high=LAST_SEED
    )
    trust_model: bool = trusting()
    labels: tuple[str, ...] = option(
        (),
        "Classes by name or number, repeated in this order, several of a picture "
        "joined by +; empty: all in turn.",
    )
    attributes: tuple[str, ...] = option(
        (),
        "Attributes of a model that has some, as age=0.3,smiling=1; numbers of "
        "pictures in turn as age=0.1/0.5/0.9; those not named are left open. Empty: "
        "spread evenly.",
    )
    guidance: float | None = option(
        None,
        "Guidance weight w; 1 is none. Left out: the model's own, mostly 1.5.",
        low=-100,
        high=100,
    )
    guidance_each: tuple[str, ...] = option(
        (),
        "Guidance weights of conditions by themselves, beside --guidance, as "
        "age=3,classes=2; left out: the model's own, mostly none.",
    )
    sampler: str = option(
        "",
        "Sampler; of a SavedModel, one of those that it was exported with. "
        "docs/samplers.md compares them. Empty: the one that the model was made for, "
        f"{BEST.sampler} for most.",
    )
    steps: str = option(
        "",
        "Steps of the sampler, each a call of the network (heun: two): a number, ADM's "
        "sections such as 90,60,60,20,20 (least noisy first), or ddimN. Empty: as many "
        f"as the model was made for, {BEST.steps} for most.",
    )
    batch_size: int = option(
        64, "Pictures computed at once; changes no picture.", low=1
    )
    film: Film = option(
        "none",
        "Write a film of the first pictures too, from noise to picture, a frame a "
        "level: gif, webp or mp4.",
    )
    film_walk: int = option(
        0,
        "Frames between two seeds of a film of pictures while their noise goes from "
        "seed to seed, instead of one of denoising; 0: of denoising.",
        low=0,
    )
    film_rate: float = option(12.0, "Frames a second of a film.", low=0.1, high=100)
    shard: str = option(
        "",
        "Sample one part alone, as i/n: the i-th of n parts, 1/4 to 4/4, each in its "
        "own `out_dir`, on as many machines; `pdm-tf merge` puts them together to "
        "what one run gives, to the bit. Empty: all pictures.",
    )


@dataclass(frozen=True)
class MergeConfig:
    """The command line of `pdm-tf merge`."""

    shards: tuple[str, ...] = option(
        (),
        "Directories of all parts that `pdm-tf sample` made by its `shard`, in any "
        "order, separated by commas, or the folder that they lie in.",
    )
    out_dir: str = option("samples", "Where pictures, grid, npz and manifest go.")


@dataclass(frozen=True)
class SplitConfig:
    """The command line of `pdm-tf split`."""

    parts: str = option(
        "",
        "Run directories of the parts, separated by commas; each run knows its own "
        "range of SNR.",
    )
    out: str = option(
        "",
        "Directory of the split; use it like a run's. With --suggest: where "
        "burden.json and burden.png go; empty: nowhere.",
        output="directory",
    )
    suggest: bool = option(
        False,
        "Join nothing: measure along a model's trajectories where its parts would "
        "have equal burdens (CBS, arXiv 2606.06477), and say the SNR between them.",
    )
    model: str = option(
        "",
        "With --suggest: the model that is measured, the directory of a run, or "
        "pretrained:NAME; a small or shortly trained one will do.",
    )
    count: int = option(2, "With --suggest: parts.", low=1, high=100)
    pictures: int = option(16, "With --suggest: trajectories.", low=1)
    measure_steps: int = option(
        50, "With --suggest: steps of each, three evaluations a step.", low=3
    )


@dataclass(frozen=True)
class DoctorConfig:
    """What the doctor proposes, rather than examines."""

    minutes: float = option(
        0.0,
        "Propose a flagfile for a training of so long on this machine, written to "
        "stdout, or to --out; 0: examine the settings that are given.",
        low=0,
    )
    out: str = option("", "File that the proposal is written to; empty: stdout.")
