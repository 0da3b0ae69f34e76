"""Which ways of sampling docs/few_steps.md compares, and in how many steps."""

from typing import NamedTuple

from experiments.few_steps_models import CHAIN

MANY, FEW = 50, (1, 2, 4, 5, 8)
COUNT, SETS = 1000, 3  # pictures of a distance, and distances where it decides
STYLED = 200  # pictures whose strokes are measured
SHEET = (1, 2, 4, 8)  # steps on the sheet
SHOWN = 5  # pictures of a method at each number of steps


class Way(NamedTuple):
    """A way to sample: which model, by which sampler."""

    name: str  # in the table
    model: str
    sampler: str


TEACHER = (
    Way("DDIM", "base", "ddim"),
    Way("DPM-Solver++", "base", "dpm_solver"),
    Way("DDIM, trailing", "base", "ddim_trailing"),
)
LCM = Way("LCM-LoRA", "lcm", "lcm")
GUIDED = Way("distilled guidance, trailing", "guided", "ddim_trailing")
MMD = Way("MMD-DDM, made for 5", "mmd-5", "ddim_trailing")
TUNED = Way("LCM-LoRA + MMD, made for 2", "mmd-lcm-2", "lcm")
SLIM = (
    Way("plain slim", "slim", "dpm_solver"),
    Way("spectral", "spectral", "dpm_solver"),
)
SLIM_STEPS = 10
ONE = (
    Way("naive reflow, one step", "slimflow-naive", "ddim"),
    Way("SlimFlow, one step", "slimflow-annealed", "ddim"),
)
STRAIGHT = (
    Way("naive reflow", "straight-naive", "ddim"),
    Way("annealed reflow", "straight-annealed", "ddim"),
)
HALVED = tuple(
    Way(f"progressive, made for {n}", f"progressive-{n}", "ddim_trailing")
    for n in CHAIN
)
WAYS = (LCM, *TEACHER, GUIDED, MMD, TUNED)
DECIDING = {("DDIM", 4), ("LCM-LoRA", 4), ("DDIM", 5), (MMD.name, 5)}
DECIDING |= {(way.name, SLIM_STEPS) for way in SLIM}
DECIDING |= {(way.name, 1) for way in ONE}
ASKED = [(LCM, 4), (TEACHER[0], 4), (TEACHER[0], MANY)]  # those that decide
ASKED += [(way, 1) for way in ONE] + [(way, n) for way in STRAIGHT for n in (1, 4)]
ASKED += [(way, SLIM_STEPS) for way in SLIM]
ASKED += [(MMD, 5), (TEACHER[0], 5), (TEACHER[0], 10)]
SHOWN_WAYS = (*WAYS, *HALVED, SLIM[1], ONE[1])  # in the table and on the sheet
ASKED += [(way, steps) for way in SHOWN_WAYS for steps in FEW]
COMMANDS = {
    15: "python -m pdm_tf.distillation slimflow --base=MODEL --out=DIR",
    16: "python -m pdm_tf.distillation mmd --base=MODEL --out=DIR",
    18: "python -m pdm_tf.distillation spectral --base=MODEL --out=DIR",
    42: "python -m pdm_tf.distillation lcm_lora --base=pretrained:mnist --out=DIR",
}
