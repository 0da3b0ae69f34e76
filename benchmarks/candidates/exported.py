"""This project's network as a file of another runtime, written by a process that ends.

So TensorFlow's memory is not that of the candidate. Reads a case from standard input:
python exported.py openvino PRECISION FOLDER, or litert QUANTISATION FILE.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

# Ranges of random weights say nothing of time.
FEW = {"calibration_images": 1, "calibration_steps": 2}


def write(order: dict, form: str, how: str, place: str | Path) -> None:
    """Has the file of a case written.

    Args:
      order: the case.
      form: openvino or litert.
      how: `precision` or `quantize` of an export.
      place: a folder for openvino, a file for litert.
    """
    words = [sys.executable, __file__, form, how, str(place)]
    here = Path(__file__).resolve().parent
    paths = (str(here), str(here.parent), str(here.parent.parent))
    subprocess.run(
        words,
        input=json.dumps(order),
        text=True,
        check=True,
        stdout=sys.stderr,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def main(form: str, how: str, place: str) -> None:
    """Writes one file."""
    from ours import network_config
    from served import build_denoiser

    from pdm_tf import flags
    from pdm_tf.config import ExportConfig, SamplingConfig
    from pdm_tf.export.litert_file import write_litert
    from pdm_tf.export.openvino import write_openvino

    order = json.loads(sys.stdin.read())
    denoiser = build_denoiser(network_config(order["network"], order["transformer"]))
    setting = {"openvino": "precision", "litert": "quantize"}[form]
    words = [f"--format={form}", f"--{setting}={how}"]
    words += [f"--{name}={value}" for name, value in FEW.items()]
    (config,) = flags.parse(["", *words], ExportConfig)
    writer = {"openvino": write_openvino, "litert": write_litert}[form]
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    writer(denoiser, Path(place), SamplingConfig(), config)


if __name__ == "__main__":
    main(*sys.argv[1:])
