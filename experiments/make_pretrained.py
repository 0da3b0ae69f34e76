"""Makes the models of pdm_tf/pretrained from runs that were trained to their end.

  python train.py --flagfile=configs/mnist.flags
  python train.py --flagfile=configs/photos.flags
  python -m experiments.make_pretrained runs/mnist runs/photos

Each run's averaged weights are stored as float16; the card says what they give then.
Figures alone are made again, from what is stored, for `pretrained:NAME` in the place of
a run.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from experiments import emoji
from pdm_tf import assemble, flags, pretrained
from pdm_tf.assemble.building import named_variables
from pdm_tf.assemble.runs import RECORD, WEIGHTS
from pdm_tf.config.sampling import BEST
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.data.sources import open_source
from pdm_tf.evaluation import metrics
from pdm_tf.evaluation.features import open_features
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.storage.arrays import write_arrays
from pdm_tf.storage.files import write_text

ARGUMENTS = ("pretrained:mnist", "pretrained:photos")  # the cards alone
HOME = Path(pretrained.__file__).parent
PICTURES = 1000  # judged
COMPARED = 64  # of the same seeds, float16 beside float32
REFERENCE = 4000  # pictures of the training data, at most
SHOWN = {"mnist": 50, "photos": 30, "emoji": 40}  # and how many stand in a row:
COLUMNS = 10
NEAREST = "nearest.png"  # pictures above the training pictures nearest to them
HELD_OUT = {
    "emoji": "the same of held-out emoji, which are 140 others",
    "mnist": "the same of held-out digits",
    "photos": "the same of held-out photographs, which show other things",
}
CLASSES = {"mnist": 10, "photos": 0, "emoji": 8}
GUIDANCE = 1.5
BATCH = 50


NEAR = f"""

The nearest of 1,000 pictures to training pictures, each above its nearest:

![Copies]({NEAREST})"""


@dataclass(frozen=True)
class About:
    """What a card says that cannot be measured."""

    title: str
    features: str
    data: str
    licence: str


ABOUT = {
    "emoji": About(
        "Emoji, 64×64 pixels in colour, by Unicode's groups",
        "random",
        "1,238 emoji of Noto Color Emoji, rendered on white. The font is not in the "
        "package.",
        "Noto Color Emoji is under the SIL Open Font Licence 1.1 (Google). The weights "
        "are passed on under the licence of the code, Apache 2.0, with this name; "
        "pictures that are copies of emoji are under the font's.",
    ),
    "mnist": About(
        "Handwritten digits, 32×32 pixels, by class",
        "digits",
        "4,000 of the 5,000 MNIST digits of the package (`pdm_tf/data/mnist.md` names "
        "their source), padded from 28 to 32 pixels.",
        "Trained on data under Creative Commons Attribution-ShareAlike 3.0 (Yann LeCun "
        "and Corinna Cortes). The weights are passed on under the same licence.",
    ),
    "photos": About(
        "Crops of photographs, 64×64 pixels in colour",
        "random",
        "20,000 random crops, half of them mirrored, of eight photographs: seven of "
        "scikit-image (astronaut, chelsea, coffee, ihc, motorcycle left and right, "
        "retina) and china.jpg of scikit-learn. Neither they nor crops of them are in "
        "the package.",
        "astronaut is in the public domain (NASA); chelsea (Stefan van der Walt), "
        "coffee (Rachel Michetti) and retina (Mikael Häggström) are CC0; ihc (Center "
        "for Microscopy and Molecular Imaging) has no known copyright restrictions; "
        "the motorcycle is of the Middlebury Stereo Datasets (Daniel Scharstein and "
        "others); china.jpg is CC BY 2.0 (danielbuechele, flickr.com). The weights "
        "are passed on under the licence of the code, Apache 2.0, with these names.",
    ),
}


def store(run_dir: Path, name: str) -> tuple[int, float]:
    """Stores a run's weights and record; returns bytes, and SQNR [dB] of float16."""
    opened = assemble.open_model(run_dir)
    whole = generated(str(run_dir), COMPARED)
    folder = HOME / name
    arrays = {n: v.numpy() for n, v in named_variables(opened.denoiser.network).items()}
    write_arrays(folder / WEIGHTS, arrays, half=True, packed=True)
    training = replace(opened.settings.training, run_dir=f"runs/{name}")
    record = replace(opened.settings, training=training)
    command = f"python train.py --flagfile=configs/{name}.flags"
    write_text(folder / RECORD, flags.to_record(record, command, of_model=True))
    halved = generated(f"{pretrained.PREFIX}{name}", COMPARED)
    return (folder / WEIGHTS).stat().st_size, metrics.sqnr(whole, halved)


def generated(model: str, count: int) -> np.ndarray:
    """Pictures as sample.py makes them by default: uint8 [count, H, W, C]."""
    generator = assemble.open_generator("model", model)
    made = []
    for first in tqdm(range(0, count, BATCH), model, disable=None):
        seeds = np.arange(first, min(first + BATCH, count), dtype=np.int32)
        labels = seeds % max(1, generator.num_classes)
        request = BEST.steps, GUIDANCE, BEST.sampler
        made.append(generator.generate(seeds, labels, *request))
    return np.concatenate(made)


def measured(name: str, pictures: np.ndarray) -> dict[str, str]:
    """What the pictures of a model are like: label -> figure, as text."""
    about, shape = ABOUT[name], pictures.shape[1:]
    extractor = open_features(about.features)
    real = {}
    for split in ("train", "test"):
        source = open_source(name, shape, CLASSES[name], split)
        rows = np.arange(min(len(source), REFERENCE))
        read = [source.read(part)[0] for part in np.array_split(rows, 8)]
        real[split] = metrics.gaussian_of(np.concatenate(read), extractor)
    distance = metrics.frechet(pictures, real["train"], extractor)
    floor = metrics.frechet_distance(real["test"], real["train"])
    figures = {
        f"Fréchet distance to training pictures ({about.features})": f"{distance:.4g}",
        HELD_OUT[name]: f"{floor:.4g}",
    }
    if name == "mnist":
        share = metrics.accuracy(pictures, np.arange(len(pictures)) % 10)
        figures = {"digits read as the class asked": f"{100 * share:.1f} %", **figures}
    if name == "emoji":
        figures = emoji.figures(pictures, HOME / name / NEAREST) | figures
    return figures


def make(run_dir: str) -> None:
    """Stores a run, if it is one, and writes its card and its pictures."""
    name = Path(run_dir.removeprefix(pretrained.PREFIX)).name
    rows = {}
    if not pretrained.is_pretrained(run_dir):
        size, sqnr = store(Path(run_dir), name)
        rows["float16 beside float32, same seeds (SQNR)"] = f"{sqnr:.1f} dB"
        print(f"{name}: {size:,} bytes")
    pictures = generated(f"{pretrained.PREFIX}{name}", PICTURES)
    folder = HOME / name
    sheet = contact_sheet(pictures[: SHOWN[name]], COLUMNS)
    save_png(folder / "samples.png", sheet)
    write_text(folder / "card.md", card(name, measured(name, pictures) | rows))


def card(name: str, figures: dict[str, str]) -> str:
    """A model's card, in Markdown."""
    about, opened = ABOUT[name], assemble.open_model(f"{pretrained.PREFIX}{name}")
    settings, size = opened.settings, (HOME / name / WEIGHTS).stat().st_size
    count = count_parameters(opened.denoiser.variables)
    classes = f", guidance {GUIDANCE}" if settings.network.num_classes else ""
    rows = "\n".join(f"| {label} | {figure} |" for label, figure in figures.items())
    shown = NEAR if name == "emoji" else ""
    about_size = f"{count:,} parameters, stored as float16 in {size / 1e6:.1f} MB"
    return f"""# pretrained:{name}

{about.title}: a patched diffusion model with patches of
{settings.network.patch_size} pixels and {about_size}.

    pdm-tf sample --model=pretrained:{name}

![Pictures of seeds 0, 1, 2 …](samples.png){shown}

| | |
|---|---|
| Trained by | `python train.py --flagfile=configs/{name}.flags` \
({settings.training.iterations} steps of {settings.training.batch_size}) |
| Data | {about.data} |
| Licence | {about.licence} |

Measured with {PICTURES:,} pictures, {BEST.steps} steps of \
{BEST.sampler}{classes}:

| | |
|---|---|
{rows}

Its use is to try the library, its methods and its tests on a model that works. It has \
seen few pictures and knows nothing else.

config.flags holds every setting; `python -m experiments.make_pretrained` made these
files.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Stores runs and writes their cards, or the cards alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="run directory or pretrained:NAME")
    for model in parser.parse_args(argv).models:
        make(model)


if __name__ == "__main__":
    main()
