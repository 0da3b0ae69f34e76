"""Pictures from a SavedModel of `pdm_tf.export`: files alone, no Keras, no network."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import tensorflow as tf

from pdm_tf.config.conditioning import read_conditions
from pdm_tf.config.sampling import GUIDANCE
from pdm_tf.data.condition_rows import as_rows
from pdm_tf.diffusion import respacing
from pdm_tf.errors import InputError, SettingError
from pdm_tf.serving.description import read_description
from pdm_tf.serving.generator import Steps
from pdm_tf.serving.saved_graph import (
    FILE,
    SavedGraph,
    check_regular,
    check_shards,
    check_trusted,
    first_words,
    read_meta_graph,
)
from pdm_tf.storage.aliases import plainly_named
from pdm_tf.storage.digests import digest_files
from pdm_tf.storage.directories import recover
from pdm_tf.storage.files import checksum
from pdm_tf.storage.sums import NAME as SUMS
from pdm_tf.storage.sums import check_sums

REMEDY = "write it again with python -m pdm_tf.export"
_TRIES = 20  # of a reader beside a writer
_SUMMED = ("*.pb", "variables/*")  # what checksums of an export are of
# Graphs in use, by the checksum of their checksums: nothing in a graph ever changes,
# so that one serves all generators of the same export.
_SHARED: WeakValueDictionary[str, SavedGraph] = WeakValueDictionary()
# What an export holds that was written before it said so.
ONLY = {"ddpm": {"spacing": "uniform", "evaluations": 1}}


class SavedModelGenerator:
    """Generates pictures from a SavedModel.

    Attributes: see `ImageGenerator`, with the sampler of `sample` first; and
      signatures: its functions by name.
      timesteps: T, the most steps that it can take.

    Args:
      setting: the setting that names it, for messages.
      directory: where it lies.
      trust: run it whatever operations it has, see `serving.operations`.

    Raises:
      InputError: not such a SavedModel, a damaged one, or one that could do more than
        draw pictures.
    """

    def __init__(self, setting: str, directory: str, trust: bool = False) -> None:
        self._named = setting, directory
        recover(directory)
        if not (Path(directory) / FILE).exists():
            raise self._refused(
                "no SavedModel there; give the export/ directory of a run, or write "
                "one with python -m pdm_tf.export"
            )
        summed = self._opened(Path(directory), trust)
        self.signatures = {n: partial(self._graph.run, n) for n in self._graph.names}
        self.description = self._described()
        if self.description.get("sums") and not summed:
            raise self._refused(f"its {SUMS} is missing; copy all of it again")
        if not self.description.get("digest"):  # of before, or of no known settings
            self.description["digest"] = digest_files(directory)
        self.image_shape = tuple(self.description["image_shape"])
        self.num_classes = self.description["num_classes"]
        self.timesteps = self.description["timesteps"]
        sampling = self.description.get("sampling", {})
        self.guidance = float(sampling.get("sample_guidance", GUIDANCE))
        self._began, self._seconds = 0.0, 0.0
        self._costs: dict[str, Any] = self.description.get("samplers") or ONLY
        self.samplers: tuple[str, ...] = tuple(self._costs)

    def _opened(self, directory: Path, trust: bool) -> bool:
        """Loads what lies there, all of one export; returns whether it has checksums.

        Another command may replace it meanwhile.
        """
        for _ in range(_TRIES):
            begun = directory.stat()
            try:
                summed = self._check_files()
                self._graph = self._loaded(directory, trust, summed)
            except SettingError:
                if _is_same(directory, begun):
                    raise
            else:
                if _is_same(directory, begun):
                    return summed
        raise self._refused("is written anew all the time; wait for the end of that")

    def _refused(self, remedy: str) -> SettingError:
        return SettingError(*self._named, remedy)

    def _check_files(self) -> bool:
        """Whether there are checksums, which hold; older exports have none.

        A SavedModel that is damaged can load, and then draws other pictures.
        """
        try:
            check_regular(Path(self._named[1]) / FILE)
            return check_sums(self._named[1], _SUMMED)
        except InputError as error:
            raise self._refused(f"{error}; copy it again, or {REMEDY}") from None

    def _loaded(self, directory: Path, trust: bool, summed: bool) -> SavedGraph:
        """The graph that lies there, or one in use of the same checksums."""
        try:
            meta_graph = read_meta_graph(directory)
            check_shards(directory)
            if not trust:
                check_trusted(meta_graph)
            sums = checksum(directory / SUMS) if summed else ""
        except InputError as error:
            raise self._refused(f"{error}; {REMEDY}") from None
        if (found := _SHARED.get(sums)) is not None:
            return found
        try:
            with plainly_named(directory) as plain:
                made = SavedGraph(plain, meta_graph)
        except Exception as error:  # damage shows in many kinds of errors
            reason = " ".join(str(error).split())[:120]
            raise self._refused(
                f"not a SavedModel that loads ({reason}); {REMEDY}"
            ) from error
        if summed:
            _SHARED[sums] = made
        return made

    def _described(self) -> dict[str, Any]:
        """What the export says of its model."""
        if not {"sample", "sample_at", "denoise", "config"} <= self._graph.names:
            raise self._refused(f"not written by this version of pdm_tf; {REMEDY}")
        try:
            text: Any = self._graph.run("config")["config"]
            return read_description(text)
        except (InputError, KeyError, tf.errors.OpError) as error:
            raise self._refused(
                f"its config does not say what such a model is ({error}); {REMEDY}"
            ) from None

    def open_function(self, signature: str) -> Any:
        """A signature as a function whose graph can be looked at.

        Takes some fifty times the file in memory, see `SavedGraph`.
        """
        with plainly_named(self._named[1]) as plain:
            return tf.saved_model.load(str(plain)).signatures[signature]

    def check(self, sampler: str, steps: Steps) -> None:
        """Raises SettingError for a sampler that is not there, or steps beyond T."""
        if sampler not in self.samplers:
            raise SettingError(
                "sampler",
                sampler,
                f"the SavedModel holds {', '.join(self.samplers)}; choose one of them, "
                "or export again with python -m pdm_tf.export --sampler=…",
            )
        respacing.spread(self.timesteps, str(steps))

    def evaluations(self, sampler: str, steps: Steps) -> int:
        """Evaluations of the model for one picture, guidance not counted."""
        visited = len(respacing.spread(self.timesteps, str(steps)))
        return self._costs[sampler]["evaluations"] * (visited - 1) + 1

    @property
    def evaluated(self) -> float:
        """Evaluations that should have ended in the call of `generate` now running.

        Nothing is seen inside its graph: it is the time gone that says so, once
        `rehearse` or a call before has shown how much one takes.
        """
        return (
            (time.monotonic() - self._began) / self._seconds if self._seconds else 0.0
        )

    def rehearse(self, labels: np.ndarray, guidance: float, sampler: str) -> None:
        """Measures how long an evaluation of so many pictures takes."""
        for rows in (labels[:1], labels[:1], labels):  # a graph's first call is slow
            zeros = np.zeros(len(rows), np.int32)
            self._generate(zeros, rows, 1, guidance, sampler)
            if self._seconds * len(labels) < 0.1:
                break  # for which nobody waits

    def generate(
        self,
        seeds: np.ndarray,
        labels: np.ndarray,
        steps: Steps,
        guidance: float,
        sampler: str,
    ) -> np.ndarray:
        """Pictures, uint8 [N, H, W, C]; see `ImageGenerator.generate`.

        Raises:
          InputError: see `check`; or the SavedModel gives something else.
        """
        self.check(sampler, steps)
        return self._generate(seeds, labels, steps, guidance, sampler)

    def _generate(
        self,
        seeds: np.ndarray,
        labels: np.ndarray,
        steps: Steps,
        guidance: float,
        sampler: str,
    ) -> np.ndarray:
        self._began = time.monotonic()
        name, levels = self._request(sampler, str(steps))
        labels = as_rows(read_conditions(self.description), labels)
        request = {"seeds": seeds, "labels": labels, "guidance": guidance, **levels}
        try:
            pictures = self._graph.run(name, **request)["images"]
        except (tf.errors.InvalidArgumentError, KeyError) as error:
            raise self._refused(f"refuses the request ({first_words(error)})") from None
        ended = time.monotonic() - self._began
        self._seconds = ended / self.evaluations(sampler, steps)
        shape = (len(seeds), *self.image_shape)
        if pictures.dtype != np.uint8 or pictures.shape != shape:
            raise self._refused(
                f"gives {pictures.dtype} {pictures.shape}, not uint8 {shape}; {REMEDY}"
            )
        return pictures

    draw = generate  # its name of before

    def _request(self, sampler: str, steps: str) -> tuple[str, dict[str, Any]]:
        """The signature to call, and its input that says which levels to visit."""
        end = "" if sampler == self.samplers[0] else f"_{sampler}"
        if steps.isdecimal():
            return f"sample{end}", {"steps": int(steps)}
        visited = respacing.spread(self.timesteps, steps)[::-1]
        return f"sample_at{end}", {"timesteps": visited}


def _is_same(directory: Path, begun: os.stat_result) -> bool:
    try:
        return os.path.samestat(directory.stat(), begun)
    except OSError:
        return False


SavedSampler = SavedModelGenerator  # its name of before
