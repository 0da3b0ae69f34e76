"""A machine that is taken away: SIGTERM saves, exits 0 and says how to go on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from tiny_runs import SMALLEST

ROOT = Path(__file__).resolve().parents[2]
FLAGS = SMALLEST + "--iterations=100000\n"


def test_sigterm_saves_exits_0_and_says_how_to_go_on(tmp_path):
    run_dir, flagfile = tmp_path / "run", tmp_path / "flags"
    flagfile.write_text(FLAGS)
    command = [sys.executable, "train.py", f"--flagfile={flagfile}"]
    process = subprocess.Popen(
        [*command, f"--run_dir={run_dir}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while not (run_dir / "checkpoints" / "manifest.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    said, _ = process.communicate(timeout=60)
    assert time.monotonic() - asked < 25  # the grace of most clouds is 30 s
    assert process.returncode == 0
    assert f"python train.py --flagfile={run_dir}/config.flags" in said
    manifest = json.loads((run_dir / "checkpoints" / "manifest.json").read_text())
    assert (run_dir / "checkpoints" / f"ckpt-{manifest['step']}.index").is_file()
