"""Writes docs/guidance.md: what the guidance weight does to a trained MNIST model.

Example: python docs/make_guidance_table.py runs/mnist
"""

import sys
from pathlib import Path

from measuring import Judge, draw

import pdm_tf as pdm

WEIGHTS = (1.0, 1.5, 2.0, 3.0, 4.0)
COUNT, STEPS = 300, 25


def main(run_dir: str) -> None:
    """Measures every weight with thresholding on and off."""
    denoise, judge = pdm.restore(run_dir), Judge()
    rows = []
    for weight in WEIGHTS:
        for thresholding in ("none", "static", "dynamic"):
            if weight == 1.0 and thresholding == "dynamic":
                continue  # it sets in under guidance only
            pictures, labels, _ = draw(denoise, COUNT, STEPS, weight, thresholding)
            f = judge(pictures, labels)
            rows.append(
                f"| {weight} | {thresholding} | {f.recognised:.1%} | "
                f"{f.spread:.2f} | {f.recall:.2f} | {f.distance:.2f} |"
            )
            print(rows[-1], flush=True)
    text = f"""# Guidance

{COUNT} digits of the model of `configs/mnist.flags`, {STEPS} steps of DDPM with
learned variance; made by `python docs/make_guidance_table.py runs/mnist`. Recognised:
share that the shipped classifier reads as the class asked. Spread: variance of its 64
features within a class, 1 for the 4,000 training digits. Recall: share of training
digits in the samples' manifold. FD (digits): Fréchet distance to the training digits.

| weight w | thresholding | recognised | spread | recall | FD (digits) |
|---|---|---|---|---|---|
"""
    Path(__file__).with_name("guidance.md").write_text(text + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
