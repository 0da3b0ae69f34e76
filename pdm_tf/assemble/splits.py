"""A split on disk: model.json names its parts and their ranges of SNR (section 4.1).

{"format": 1, "pdm_tf": "0.2.0", "kind": "split",
 "parts": [{"run_dir": "../low", "sha256": "…", "digest": "…",
            "snr_low": 0.25, "snr_high": null},
           {"run_dir": "../high", … "snr_low": 0, "snr_high": 0.25}]}

Relative directories count from that of model.json; null is no upper end. "digest" is
what a part is known by (`denoisers.identity`); "sha256" of its weights alone is what it
was known by before. Version 0.1 wrote split.json, with the parts alone.
"""

import math
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from pdm_tf.assemble import lineage
from pdm_tf.denoisers import split
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.errors import SettingError
from pdm_tf.storage.digests import sealed
from pdm_tf.storage.files import write_json
from pdm_tf.storage.reading import read_json
from pdm_tf.version import __version__

KIND = "split"
OLD_MANIFEST = "split.json"  # of version 0.1


class Part(NamedTuple):
    """One member of a split: the levels with snr_low <= SNR < snr_high."""

    run_dir: str
    snr_low: float
    snr_high: float  # infinite for the least noisy part
    sha256: str = ""  # of its weights; empty: not known
    digest: str = ""  # of the model; empty: not known


def is_split(directory: str | Path) -> bool:
    """Whether a directory holds a split's manifest."""
    directory = Path(directory)
    return (directory / OLD_MANIFEST).is_file() or (
        (directory / lineage.MANIFEST).is_file()
        and lineage.read(directory)["kind"] == KIND
    )


def read(directory: str | Path) -> list[Part]:
    """The parts of a split, least noisy first.

    Raises:
      InputError: no manifest of that form, or parts that leave gaps or overlap.
    """
    path = Path(directory) / lineage.MANIFEST
    if not path.is_file():
        path = path.with_name(OLD_MANIFEST)
    try:
        listed = read_json(path)["parts"]
        parts = [
            Part(
                str(path.parent / part["run_dir"]),
                float(part["snr_low"]),
                math.inf if part["snr_high"] is None else float(part["snr_high"]),
                str(part.get("sha256", "")),
                str(part.get("digest", "")),
            )
            for part in listed
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingError(
            "model",
            directory,
            f"{path.name} cannot be read ({error!r}); write it with pdm-tf split",
        ) from None
    return check(parts, "model", directory)


def check(parts: Sequence[Part], setting: str, value: str | Path) -> list[Part]:
    """The parts, least noisy first, or SettingError for gaps and overlaps."""
    ordered = sorted(parts, key=lambda part: -part.snr_low)
    if not ordered or ordered[0].snr_high != math.inf or ordered[-1].snr_low > 0:
        raise SettingError(
            setting,
            value,
            "the parts must reach from SNR 0 to infinity; the outermost are "
            f"{_shown(ordered)}",
        )
    for upper, lower in pairwise(ordered):
        if upper.snr_low != lower.snr_high:
            kind = "gap" if upper.snr_low > lower.snr_high else "overlap"
            raise SettingError(
                setting,
                value,
                f"{kind} between SNR {lower.snr_high:g} ({lower.run_dir}) and "
                f"{upper.snr_low:g} ({upper.run_dir}); the ranges must touch",
            )
    return ordered


def _shown(parts: Sequence[Part]) -> str:
    return ", ".join(f"{p.run_dir} [{p.snr_low:g}, {p.snr_high:g})" for p in parts)


def refuse_others(directory: Path) -> None:
    """Raises SettingError where something lies that is no split."""
    if not directory.exists():
        return
    visible = [file for file in directory.iterdir() if file.name[:1] != "."]
    if visible and not is_split(directory):
        raise SettingError(
            "out", directory, "holds something else; give a new or empty directory"
        )


def write(directory: str | Path, parts: Sequence[Part]) -> Path:
    """Writes a split's manifest; returns its path.

    Raises:
      InputError: parts that leave gaps or overlap.
    """
    ordered = check(parts, "out", directory)
    path = Path(directory).resolve()
    path.mkdir(parents=True, exist_ok=True)
    listed = [
        {
            "run_dir": os.path.relpath(Path(part.run_dir).resolve(), path),
            "sha256": part.sha256,
            **identify(part),
        }
        for part in ordered
    ]
    entry = {"format": lineage.FORMAT, "pdm_tf": __version__, "kind": KIND}
    whole = sealed(entry | {"parts": listed}, *lineage.PLACES)
    write_json(path / lineage.MANIFEST, whole)
    return path / lineage.MANIFEST


def identify(part: Part) -> dict[str, Any]:
    """What a part is, wherever it lies: its model and its range."""
    high = None if math.isinf(part.snr_high) else part.snr_high
    return {"digest": part.digest, "snr_low": part.snr_low, "snr_high": high}


def refuse_changed_part(
    path: str | Path, part: Part, digest: str, weights: str
) -> None:
    """Raises SettingError for a part that is not the one that was joined.

    Args:
      path: the split, as it was named.
      part: as the manifest has it; one without checksums is not looked at.
      digest: of the model that lies there now.
      weights: SHA-256 of its weights, see `lineage.fingerprint`.
    """
    if (part.digest and part.digest != digest) or (
        not part.digest and part.sha256 and part.sha256 != weights
    ):
        raise SettingError(
            "model",
            path,
            f"its part {part.run_dir} has other weights than were joined, or other "
            "settings; put it back as it was, or join the parts again with pdm-tf "
            "split",
        )


def join(parts: Sequence[Part], members: Sequence[Denoiser]) -> Denoiser:
    """The denoiser of a split, made of those of its parts."""
    if len(members) == 1:
        return members[0]
    return split(*members, snr=[part.snr_low for part in parts[:-1]])
