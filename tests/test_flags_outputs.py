"""Every command looks at where it is to write before it looks at anything else."""

import pytest

from pdm_tf import flags
from pdm_tf.commands import commands, main

MISSING = "nowhere/at/all"
COMMANDS = {
    "sample": (f"sample --model={MISSING}", "out_dir"),
    "train": ("train --dataset=mnist", "run_dir"),
    "doctor": ("doctor --dataset=mnist", "run_dir"),
    "split": (f"split --parts={MISSING},{MISSING}", "out"),
    "merge": (f"merge --shards={MISSING}", "out_dir"),
    "acceleration": (f"acceleration deepcache --base={MISSING}", "out"),
    "distillation": (f"distillation guidance_lora --base={MISSING}", "out"),
    "ema": (f"ema --run_dir={MISSING} --length=0.1", "out"),
    "pack": (f"pack --model={MISSING}", "out"),
    "unpack": (f"unpack --archive={MISSING}", "out"),
    "guidance": (f"guidance rescale --base={MISSING}", "out"),
    "adapters": (f"adapters add --base={MISSING} --adapter={MISSING}", "out"),
    "inverse": (
        f"inverse red_diff --model={MISSING} --operator=box:0.5 --image={MISSING}",
        "out",
    ),
    "circuit": ("inverse learn_circuit", "out"),
    "convert": (f"convert jit --checkpoint={MISSING}", "out"),
    "quantization": (f"quantization min_max --base={MISSING}", "out"),
    "analysis": ("analysis figure2", "out"),
    "data": (f"data prepare --source={MISSING}", "out"),
    "likelihood": (f"evaluation likelihood --model={MISSING} --reference=mnist", "out"),
    "compare": (f"evaluation compare --model={MISSING} --reference={MISSING}", "out"),
    "metrics": ("evaluation metrics --samples=mnist@test", "out"),
    "export": (f"export --model={MISSING}", "export_dir"),
    "litert": (f"export --model={MISSING} --format=litert", "export_dir"),
}
ELSEWHERE = {"editing"}  # whose tests have the picture that it needs
NOTHING = {"web", "completion"}  # write nowhere


def test_the_table_has_every_command():
    first = {words.split()[0] for words, _ in COMMANDS.values()}
    assert first | ELSEWHERE | NOTHING >= set(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_an_output_that_cannot_be_is_refused_before_all_else(name, tmp_path, capsys):
    words, setting = COMMANDS[name]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit) as end:
        out = tmp_path / "file" / "x"
        flags.run(main, ["pdm-tf", *words.split(), f"--{setting}={out}"])
    assert end.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"error: --{setting}={out}")
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
