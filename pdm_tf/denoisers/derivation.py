"""What a method makes of a base model.

A method is a file of a room such as `acceleration`. It exports

  Config   frozen dataclass of `config.option`s, which lives in `pdm_tf.config`
  KIND     what it may stand on: "adapter", "distilled", "quantized", "cached", "guided"
  PAPER    title and arXiv number
  derive   (base: Denoiser, config: Config, context: Context) -> Derivation

and, where there is something to say, REPORTED, a sentence on what the paper reports,
NOT_REPRODUCED, one on what of it does not carry over, and `measure`, which takes base
and derived model and returns rows of the report, title -> number of each.

`derive` changes no variable of the base. It is called once to make the model, and
again, with the same settings, whenever the model is opened: then the variables that it
made get the values that were stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pdm_tf.config import Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.objective import Objective
from pdm_tf.errors import InputError


def _no_run(place: str) -> Any:
    raise InputError("no other run can be opened here")


class Validation(NamedTuple):
    """How the best checkpoint of a training is found: by the pictures that it gives."""

    sampler: str
    steps: int
    images: int  # of each; 0: the last checkpoint is taken unseen


class Derivation(NamedTuple):
    """A derived model, and what is to be trained before it is one."""

    denoiser: Denoiser  # its variables beyond those of the base are what is stored
    objective: Objective | None = None  # None where nothing is trained
    sampling: Mapping[str, Any] = {}  # fields of SamplingConfig that it changes
    facts: Mapping[str, Any] = {}  # plain data of model.json; `Context.facts` later
    validation: Validation | None = None  # None: the last checkpoint is the model
    # Makes what is stored of what was trained; None: the denoiser is that itself.
    finish: Callable[[], Denoiser] | None = None


@dataclass(frozen=True)
class Context:
    """What a method may need beside the base and its own settings.

    Attributes:
      settings: of the run that the base's weights come from; `sampling` as the base
        samples.
      open_source: opens the pictures that the run was trained on, a
        `data.sources.Source`.
      restoring: whether the variables that the method makes get stored values next.
        Then what only serves to find values, such as calibration, can be left out.
      note: takes a line on what is going on.
      keep: takes arrays that cost much to find, and a name for them; a command that is
        stopped and given again finds them by `kept`.
      kept: the arrays of a name, or None.
      facts: what `derive` returned under this name, where the model is restored.
      open_run: takes where a run lies; its record as text, and its denoiser.
      build_run: takes such a text; the denoiser of the run, its weights freshly drawn.
      read_added: takes where another derived model lies; what model.json says of it,
        and the arrays that it adds to its base.
    """

    settings: Config
    open_source: Callable[[], Any]
    restoring: bool = False
    note: Callable[[str], object] = lambda line: None
    keep: Callable[[str, Mapping[str, Any]], object] = lambda name, arrays: None
    kept: Callable[[str], Mapping[str, Any] | None] = lambda name: None
    facts: Mapping[str, Any] = field(default_factory=dict)
    open_run: Callable[[str], tuple[str, Denoiser]] = _no_run
    build_run: Callable[[str], Denoiser] = _no_run
    read_added: Callable[[str], tuple[Mapping[str, Any], Mapping[str, Any]]] = (
        lambda place: ({}, {})
    )
