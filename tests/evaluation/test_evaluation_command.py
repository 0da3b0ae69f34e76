"""The command: metrics, report, statistics; and one line for each fault."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

from pdm_tf import flags
from pdm_tf.config import EvaluationConfig
from pdm_tf.data.sources import open_source
from pdm_tf.evaluation import __main__ as command
from pdm_tf.evaluation import features as shelf
from pdm_tf.evaluation.evaluate import evaluate
from pdm_tf.evaluation.features.digits import Digits
from pdm_tf.evaluation.features.extractor import Features
from pdm_tf.evaluation.metrics.manifold import members
from pdm_tf.evaluation.report import format_report
from pdm_tf.serving import open_generator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> tuple[str, str]:
    """Two npz of digits: 200 held-out ones, and 300 others."""
    directory = tmp_path_factory.mktemp("digits")
    for split, count in (("test", 200), ("train", 300)):
        pictures, labels = open_source("mnist", (32, 32, 1), split=split).read(
            np.arange(count)
        )
        np.savez(directory / f"{split}.npz", pictures, labels=labels)
    return str(directory / "test.npz"), str(directory / "train.npz")


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """The command with its arguments: exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["evaluation", *arguments])
        with pytest.raises(SystemExit) as done:
            flags.run(command.main)
        return done.value.code, *capsys.readouterr()

    return call


def measure(samples: str, reference: str, directory: Path, **settings) -> dict:
    config = EvaluationConfig(
        samples=samples, reference=reference, out=str(directory / "e.json"), **settings
    )
    return evaluate(config, open_generator)


def features(path: str) -> Features:
    with np.load(path) as file:
        return Digits()(file["arr_0"])


def distance(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(axis=0) - y.mean(axis=0)
    return float(gap @ gap + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real))


def test_metrics_are_those_of_the_features(digits, tmp_path):
    """Streamed through the whole command, and computed here from all features."""
    report = measure(*digits, tmp_path, batch_size=17, bootstrap=10)
    x, y = (features(path) for path in digits)
    found = report["metrics"]
    expected = distance(x.pooled, y.pooled)
    assert found["FD (digits)"].value == pytest.approx(expected, rel=1e-4)
    expected = distance(x.spatial, y.spatial)
    assert found["sFD (digits)"].value == pytest.approx(expected, rel=1e-4)
    inside = members(x.pooled, y.pooled)
    for name, rows in zip(("precision", "recall"), inside, strict=True):
        assert found[f"{name} (digits)"].value == pytest.approx(rows.mean(), abs=0.006)
    p = x.probabilities.astype(np.float64)
    divergence = (p * np.log(p / p.mean(axis=0))).sum(axis=1)
    expected = np.exp(divergence.mean())
    assert found["IS (digits)"].value == pytest.approx(expected, rel=1e-5)


def test_never_called_fid_outside_inception(digits, tmp_path):
    report = measure(*digits, tmp_path, bootstrap=0)
    assert "FID" not in format_report(report) + (tmp_path / "e.json").read_text()


def test_batch_size_changes_no_metric(digits, tmp_path):
    reports = [measure(*digits, tmp_path, batch_size=b, bootstrap=8) for b in (200, 23)]
    for kind in ("metrics", "seam_energy"):
        one, other = (json.dumps(flat(r[kind])) for r in reports)
        np.testing.assert_allclose(json.loads(one), json.loads(other), rtol=1e-4)


def flat(value) -> list[float]:
    if isinstance(value, dict):
        return [x for member in value.values() for x in flat(member)]
    return list(value)


def test_same_pictures_are_at_no_distance(digits, tmp_path):
    found = measure(digits[0], digits[0], tmp_path, bootstrap=0)["metrics"]
    assert found["FD (digits)"].value == pytest.approx(0, abs=1e-8)
    assert found["precision (digits)"].value == found["recall (digits)"].value == 1


def test_command_writes_what_it_prints(digits, tmp_path, run):
    out = tmp_path / "new" / "e.json"
    sets = [f"--samples={digits[0]}", f"--reference={digits[1]}"]
    code, printed, _ = run(*sets, f"--out={out}", "--bootstrap=20")
    assert code == 0
    report = json.loads(out.read_text())
    metric = report["metrics"]["FD (digits)"]
    assert metric["low"] <= metric["value"] <= metric["high"]
    assert f"{metric['value']:.4f}" in printed
    counts = [report[name]["count"] for name in ("samples", "reference")]
    assert counts == [200, 300]
    assert report["samples"]["label_policy"] == "10 classes, 20 to 20 pictures each"
    assert report["samples"]["image_shape"] == [32, 32, 1]
    assert report["features"]["name"] == "digits"
    assert report["cost"]["evaluation"]["pictures"] == 500
    assert report["cost"]["evaluation"]["peak_memory"]["host"] > 0
    assert set(report["seam_energy"]) == {"2", "4", "8"}


def test_warns_of_few_and_unequal_pictures(digits, tmp_path):
    warnings = " / ".join(measure(*digits, tmp_path, bootstrap=0)["warnings"])
    assert "200 samples; published metrics take 10,000 or 50,000" in warnings
    assert "the sets differ: 200 samples, 300" in warnings
    limited = measure(*digits, tmp_path, bootstrap=0, manifold_images=100)
    assert sum("first 100" in text for text in limited["warnings"]) == 2


def test_saved_statistics_stand_for_their_pictures(digits, tmp_path):
    path = str(tmp_path / "s.npz")
    alone = measure(digits[1], "", tmp_path, bootstrap=0, save_statistics=path)
    assert alone["metrics"]["FD (digits)"] is None
    assert alone["metrics"]["IS (digits)"].value > 5
    assert "reference" not in alone
    whole = measure(*digits, tmp_path, bootstrap=0)["metrics"]
    found = measure(digits[0], path, tmp_path, bootstrap=20)["metrics"]
    for name in ("FD (digits)", "sFD (digits)"):
        assert found[name].value == pytest.approx(whole[name].value, rel=1e-9)
        assert found[name].low < found[name].high  # of the samples alone
    assert found["precision (digits)"] is None


def test_statistics_with_pictures_as_adm_publishes_them(digits, tmp_path):
    """Distances use the statistics, precision and recall the pictures."""
    path = str(tmp_path / "s.npz")
    measure(digits[0], "", tmp_path, bootstrap=0, save_statistics=path)
    with np.load(path) as statistics, np.load(digits[1]) as pictures:
        keys = ("mu", "sigma", "mu_s", "sigma_s")
        both = {key: statistics[key] for key in keys}
        np.savez(path, pictures["arr_0"], **both)
    report = measure(digits[0], path, tmp_path, bootstrap=0)
    found, whole = report["metrics"], measure(*digits, tmp_path, bootstrap=0)["metrics"]
    assert found["FD (digits)"].value == pytest.approx(0, abs=1e-8)
    for name in ("precision (digits)", "recall (digits)"):
        assert found[name] == whole[name]
    assert report["reference"]["count"] is None
    assert any("unknown number" in text for text in report["warnings"])


def test_model_is_sampled_on_the_fly(saved_model, tmp_path, capsys):
    settings = {"features": "random", "steps": "2", "batch_size": 4, "bootstrap": 5}
    report = measure(saved_model, "mnist@test", tmp_path, num_images=10, **settings)
    assert report["samples"]["count"] == 10
    assert any("protocol=paper" in text for text in report["warnings"])
    assert capsys.readouterr().err.startswith(f"opening {saved_model}\nsampling 10 ")
    digest = report["samples"]["model"]
    assert digest and digest == open_generator("m", saved_model).description["digest"]
    assert report["reference"]["image_shape"] == [16, 16, 1]  # follows the model
    assert report["cost"]["sampling"]["pictures"] == 10
    assert report["metrics"]["FD (random)"] is None  # of ten pictures
    assert report["metrics"]["IS (random)"] is None


def npz(path: Path, array: np.ndarray) -> str:
    np.savez(path, array)
    return str(path)


def faults(directory: Path) -> dict[str, tuple[list[str], str]]:
    """Arguments and what the one line says."""
    grey = np.zeros((5, 32, 32, 1), np.uint8)
    (directory / "corrupt.npz").write_bytes(b"PK\x03\x04 and no more")
    narrow = npz(directory / "narrow.npz", grey[:, :30])
    return {
        "nothing": ([], "--samples: missing"),
        "corrupt": ([f"--samples={directory}/corrupt.npz"], "not a sound npz"),
        "floats": ([f"--samples={npz(directory / 'f.npz', grey / 255)}"], "float64"),
        "objects": (
            [f"--samples={npz(directory / 'o.npz', np.array([{}], object))}"],
            "Python objects",
        ),
        "shape": ([f"--samples={npz(directory / 's.npz', grey[0])}"], "[N, H, W, C]"),
        "other shape": ([f"--samples={narrow}", "--features=digits"], "30x32x1"),
        "one": ([f"--samples={npz(directory / 'one.npz', grey[:1])}"], "1 picture"),
        "graph": (["--samples=mnist", "--features=inception"], "95,673,916 bytes"),
        "patches": (["--samples=mnist", "--patch_sizes=1"], "--patch_sizes=1"),
        "batch": (["--samples=mnist", "--batch_size=0"], "--batch_size=0"),
        "seed": (["--samples=mnist", "--seed=-1"], "--seed=-1"),
        "flag": (["--samples=mnist", "--bootstraps=3"], "did you mean --bootstrap"),
        "out": (["--samples=mnist", f"--out={directory}"], "is a directory"),
        "nowhere": (["--samples=mnist", f"--out={directory}/f.npz/e"], "cannot be"),
    }


def test_faults_are_one_line_and_code_2(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    for fault, (arguments, message) in faults(tmp_path).items():
        code, _, said = run(*arguments)
        said = said.removeprefix("loading TensorFlow …\n")
        assert (code, said.count("\n")) == (2, 1), (fault, said)
        assert said.startswith("error: "), fault
        assert message in said, fault


def test_features_that_are_not_finite(digits, tmp_path, monkeypatch, run):
    class Broken(Digits):
        def __call__(self, pictures):
            found = super().__call__(pictures)
            found.pooled[3:4] = np.nan
            return found

    monkeypatch.setitem(shelf.SHELF, "digits", lambda graph, sha256: Broken())
    code, _, said = run(f"--samples={digits[0]}", f"--out={tmp_path}/e.json")
    assert code == 2
    assert "features of picture 3 are not finite" in said
    assert not (tmp_path / "e.json").exists()


def test_statistics_of_other_features_are_refused(digits, tmp_path, run):
    path = str(tmp_path / "s.npz")
    np.savez(path, mu=np.zeros(2048), sigma=np.eye(2048))
    words = f"--samples={digits[0]}", f"--reference={path}", f"--out={tmp_path}/e.json"
    code, _, said = run(*words, "--features=digits")
    assert code == 2 and "[2048]" in said
    code, _, said = run(*words)  # takes what made them, which has to be there
    assert code == 2 and "classify_image_graph_def.pb" in said


def test_truncated_pictures_fail_without_a_report(digits, tmp_path, run):
    content = bytearray(Path(digits[0]).read_bytes())
    content[100_000] ^= 255
    (tmp_path / "cut.npz").write_bytes(content)
    code, _, said = run(f"--samples={tmp_path}/cut.npz", f"--out={tmp_path}/e.json")
    assert code == 2
    assert "not a sound npz" in said
    assert not (tmp_path / "e.json").exists()


def test_help_does_not_load_tensorflow():
    code = "import sys; from pdm_tf.evaluation.__main__ import main\n"
    code += "for words in ['--help'], ['metrics', '--help'], ['compare', '--help']:\n"
    code += "    try: main(['x', *words])\n    except SystemExit: pass\n"
    code += "assert 'tensorflow' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--reference" in done.stdout


@pytest.mark.slow
def test_50000_pictures_need_less_than_2_gib(tmp_path):
    """Through the digits features, with intervals, precision and recall."""
    pictures, _ = open_source("mnist", (32, 32, 1)).read(np.arange(50_000) % 4000)
    noise = np.random.default_rng(0).integers(0, 30, pictures.shape, np.uint8)
    np.savez_compressed(tmp_path / "a.npz", np.maximum(pictures, noise))
    arguments = [f"--samples={tmp_path}/a.npz", "--reference=mnist"]
    arguments += [f"--out={tmp_path}/e.json", "--batch_size=500"]
    command = [sys.executable, "-m", "pdm_tf.evaluation", *arguments]
    subprocess.run(command, cwd=ROOT, check=True)
    report = json.loads((tmp_path / "e.json").read_text())
    assert report["samples"]["count"] == 50_000
    assert report["cost"]["evaluation"]["peak_memory"]["host"] < 2 * 2**30


def test_a_name_that_is_nothing_is_refused_before_tensorflow_is_loaded():
    code = "import sys; from pdm_tf.evaluation.__main__ import main\n"
    code += "try: main(['x', 'metrics', '--samples=nowhere'])\n"
    code += "except ValueError as error: print(error)\n"
    code += "assert 'tensorflow' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "no such file" in done.stdout and not done.stderr
