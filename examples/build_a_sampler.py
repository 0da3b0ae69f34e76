"""Builds a sampler from parts, with one part of its own, and samples in four ways.

With the directory of a run it draws with that run's averaged weights; without one it
builds a small network that has learnt nothing, and draws what that estimates in.

    python examples/build_a_sampler.py --run_dir=runs/mnist --out=four_ways.png
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a plain checkout

import pdm_tf as pdm


@dataclass(frozen=True)
class Straight:
    """A sampler of our own: keeps the noise that the estimate implies.

    A sampler needs `init`, what it carries, `step`, from one level to the next, and
    its order of convergence. It knows levels and estimates, never timesteps, labels or
    networks; the loop, the noise and the end of the trajectory are not its business.
    (It is DDIM.)
    """

    convergence_order = 1

    def init(self, z: tf.Tensor) -> tuple:
        return ()

    def step(
        self,
        denoise: pdm.Denoiser,
        z: tf.Tensor,
        level: pdm.NoiseLevel,
        to: pdm.NoiseLevel,
        state: tuple,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, tuple]:
        x = denoise(z, level).x
        eps = (z - level.signal * x) / level.noise
        return to.signal * x + to.noise * eps, state


def untrained() -> pdm.NetworkDenoiser:
    """Schedule and network, made into a denoiser."""
    network = pdm.PatchedUNet(
        pdm.UNetConfig(
            image_shape=(32, 32, 1),
            patch_size=2,
            width=32,
            channel_multipliers=(1, 2),
            blocks_per_level=1,
            attention_resolutions=(8,),
            num_classes=10,
        )
    )
    schedule = pdm.NoiseSchedule.linear(timesteps=1000, beta_end=0.02)
    return pdm.NetworkDenoiser(network, schedule, prediction="x")


def main() -> None:
    parser = argparse.ArgumentParser(description="Samples pictures from noise.")
    parser.add_argument("--run_dir", default="", help="directory of a run")
    parser.add_argument("--count", type=int, default=10, help="pictures a row")
    parser.add_argument(
        "--steps", type=int, default=20, help="steps of each trajectory"
    )
    parser.add_argument("--out", default="four_ways.png", help="where the rows go")
    flags = parser.parse_args()

    model = pdm.restore(flags.run_dir) if flags.run_dir else untrained()
    seeds = range(flags.count)
    if model.num_classes:  # a guided denoiser is a denoiser again
        labels = tf.range(flags.count) % model.num_classes
        denoise = pdm.guided(model, labels, weight=1.5, threshold=99.5)
    else:
        denoise = pdm.thresholded(model)

    grid = model.schedule.grid(flags.steps)
    even = model.schedule.grid(flags.steps, "log_snr")
    ways = {
        "DDPM": (pdm.DDPM(), grid),
        "DDIM": (pdm.DDIM(), grid),
        "our own": (Straight(), grid),
        "DPM-Solver++": (pdm.DPMSolver(), even),
    }
    rows = {}
    for name, (sampler, levels) in ways.items():
        before = time.monotonic()
        x = pdm.sample(denoise, sampler, levels, seeds, model.image_shape)
        rows[name] = tf.clip_by_value(x, -1.0, 1.0)
        print(f"{name}: {time.monotonic() - before:.1f} s")

    apart = tf.reduce_max(tf.abs(rows["our own"] - rows["DDIM"]))
    print(f"our own sampler is DDIM to {apart:.1e}")
    sheet = tf.concat([tf.concat(tf.unstack(x), 1) for x in rows.values()], 0)
    sheet = tf.cast(tf.round((sheet + 1.0) * 127.5), tf.uint8)
    Path(flags.out).write_bytes(tf.io.encode_png(sheet).numpy())
    print(f"look at {flags.out}, one row for each of {', '.join(rows)}")


if __name__ == "__main__":
    main()
