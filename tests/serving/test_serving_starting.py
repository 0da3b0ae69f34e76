"""What a command that samples imports, and what it leaves for others to import."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pdm_tf.serving.starting import start_tensorflow

tf = start_tensorflow()
aside = {"matplotlib", "sklearn", "pandas", "scipy"}
imported = ({"keras"} | aside) & set(sys.modules)
assert imported == {"keras"}, imported
assert float(tf.constant(1.0)) == 1
import matplotlib.pyplot, pandas, scipy.sparse
"""


@pytest.mark.slow
def test_keras_comes_without_what_it_imports_where_it_can():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
