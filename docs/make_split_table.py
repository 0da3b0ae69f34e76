"""Writes docs/splitting.md: one model, or specialists, at equal cost of training.

Trains what is missing below a folder; stopped, it goes on where it was.

Example: python docs/make_split_table.py configs/mnist.flags runs/splitting 1200
"""

import sys
from dataclasses import replace
from pathlib import Path

from measuring import Judge, draw

import pdm_tf as pdm
from pdm_tf import assemble, flags
from pdm_tf.assemble.building import build_denoiser
from pdm_tf.config import Config
from pdm_tf.doctor.plan import count_flops

SNR = 0.25  # the paper's boundary
COUNT, STEPS = 1000, 50


def _variant(
    base: Config, where: Path, patch: int, iterations: int, **training: object
) -> Config:
    """The same network and training, but for its patches, length and range of SNR."""
    return replace(
        base,
        network=replace(base.network, patch_size=patch),
        training=replace(
            base.training,
            run_dir=str(where),
            iterations=iterations,
            sample_every=0,
            export=False,
            **training,
        ),
    )


def main(flagfile: str, work: str, iterations: str) -> None:
    """Trains, joins and measures."""
    (base,) = flags.parse(["", f"--flagfile={flagfile}"], Config)
    folder, fine = Path(work), int(iterations)
    cost = {
        patch: count_flops(
            build_denoiser(
                replace(base, network=replace(base.network, patch_size=patch))
            )
        )
        for patch in (2, 4)
    }
    coarse = round(fine * cost[2] / cost[4])
    for config in (
        _variant(base, folder / "p2", 2, fine),
        _variant(base, folder / "p4", 4, coarse),
        _variant(base, folder / "p4_low", 4, coarse // 2, snr_low=SNR),
        _variant(base, folder / "p4_high", 4, coarse // 2, snr_high=SNR),
        _variant(base, folder / "p2_low", 2, fine // 2, snr_low=SNR),
    ):
        if not assemble.train(config):
            raise SystemExit(130)  # Ctrl-C; the same command goes on
    for low in ("p4", "p2"):
        parts = [str(folder / f"{low}_low"), str(folder / "p4_high")]
        assemble.join_runs(parts, folder / f"{low}_p4")
    models = {
        "P=2 alone": folder / "p2",
        "P=4 alone": folder / "p4",
        "split, P=4 at both": folder / "p4_p4",
        "split, P=4 at high noise, P=2 at low": folder / "p2_p4",
    }
    judge, rows, first = Judge(), [], 0.0
    for name, where in models.items():
        pictures, labels, speed = draw(pdm.restore(where), COUNT, STEPS)
        f, first = judge(pictures, labels), first or speed
        rows.append(
            f"| {name} | {f.recognised:.1%} | {f.distance:.2f} | {speed:.2f} | "
            f"{speed / first:.2f} |"
        )
        print(rows[-1], flush=True)
    text = f"""# Model splitting

MNIST, the network of `configs/mnist.flags` ({cost[2] / 1e6:.0f} MFLOP a call) and the
same one with patches of 4 ({cost[4] / 1e6:.0f} MFLOP). Each row cost the same
training, counted in FLOP: {fine:,} steps at P=2, {coarse:,} at P=4, and half of these
for each part of a split at SNR {SNR}. {COUNT:,} digits, {STEPS} steps of DDPM, w = 1.5.
FD (digits) is the Fréchet distance to the 4,000 training digits in the features of the
shipped classifier. Made by
`python docs/make_split_table.py configs/mnist.flags runs/splitting {fine}`.

| model | recognised | FD (digits) | images/s | relative speed |
|---|---|---|---|---|
"""
    Path(__file__).with_name("splitting.md").write_text(text + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
