"""The figures: tables hold what pictures show, and verdicts follow the numbers."""

import csv
import io
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pdm_tf.analysis import (
    blur,
    figure1,
    figure2,
    figure3,
    figure4,
    guesses,
    networks,
    results,
    table1,
)
from pdm_tf.analysis.curves import read_curve, tail_mean
from pdm_tf.assemble.building import build_denoiser
from pdm_tf.config import AnalysisConfig, InputError, UNetConfig
from pdm_tf.evaluation.metrics import seam_energy

TINY = AnalysisConfig(
    judged=6, pictures=40, batch_size=4, num_images=24, steps=2, iterations=4
)
LOSSES = {"x": 0.5, "eps": 4.0, "v": 0.55}


def untrained(config):
    """A small network of the wanted patches whose estimates are not all zero."""
    keras.utils.set_random_seed(0)
    small = UNetConfig(
        image_shape=config.network.image_shape,
        patch_size=config.network.patch_size,
        width=8,
        channel_multipliers=(1.0,),
        blocks_per_level=1,
        attention_resolutions=(),
    )
    denoiser = build_denoiser(replace(config, network=small))
    for v in denoiser.network.trainable_variables:
        v.assign(v + tf.random.stateless_normal(v.shape, [1, 2], stddev=0.02))
    return denoiser


def recorded(config):
    """Leaves a record of losses where a training would."""
    loss = LOSSES[config.diffusion.prediction] * config.network.patch_size
    writer = tf.summary.create_file_writer(f"{config.training.run_dir}/logs")
    with writer.as_default():
        for step in (10, 20, 30):
            tf.summary.scalar("loss/simple", loss + 1 / step, step=step)
    writer.close()
    return None


def lines_of(figure):
    """x and y of every curve with a label."""
    axes = [a for a in figure.axes if a.lines]
    for child in figure.subfigs:
        axes += [a for a in child.axes if a.lines]
    return {(i, line.get_label()): line for i, a in enumerate(axes) for line in a.lines}


def read_back(path):
    rows = list(csv.reader(io.StringIO(path.read_text())))
    return rows[0], rows[1:]


def same(shown, column):
    np.testing.assert_allclose(shown, column, rtol=1e-5)


# --- figure by figure -----------------------------------------------------------------


def test_figure_1_shows_its_table(tmp_path):
    above, below = figure1.make(replace(TINY, out=str(tmp_path)), untrained)
    assert [row[0] for row in above.rows] == list(blur.TIMES)
    curves = lines_of(above.figure)
    for p in blur.PATCHES:
        same(curves[0, f"x*, P = {p}"].get_ydata(), above.column(f"optimal_share_p{p}"))
        label = f"x_θ, P = {p}"
        same(curves[0, label].get_ydata(), above.column(f"network_share_p{p}"))
    same(curves[1, "x_θ, low"].get_ydata(), above.column("network_kept_low"))
    same(curves[1, "x*, high"].get_ydata(), above.column("optimal_kept_high"))
    share = above.column("optimal_share_p4")
    assert share[-1] < 0.3 * share[0]
    kept = above.column("optimal_kept_high")
    assert kept[0] == pytest.approx(1, rel=1e-3) and kept[-1] < 0.05
    curves = lines_of(below.figure)
    same(curves[0, "high frequency"].get_ydata(), below.column("undecided_high"))
    count = below.column("possible_pictures")
    assert count[0] >= 1 - 1e-9 and count[-1] > 10 and count[-1] <= TINY.pictures
    assert [row[0] for row in below.rows] == list(guesses.TIMES)
    for result in (above, below):
        results.write_result(result, tmp_path)
    assert Image.open(tmp_path / "figure1a.png").width > 800


@pytest.mark.slow
def test_figure_2_shows_its_table_and_ratios_are_of_its_errors(tmp_path):
    (result,) = figure2.make(replace(TINY, out=str(tmp_path)), untrained)
    assert [row[0] for row in result.rows] == list(figure2.TIMES)
    for p in (4, 8):
        ratio = result.column(f"ratio_p{p}")
        same(ratio, result.column(f"rmse_p{p}") / result.column("rmse_p2"))
        assert (result.column(f"ratio_p{p}_low") <= ratio + 1e-9).all()
        for panel in (0, 1):
            curve = lines_of(result.figure)[panel, f"P = {p}"]
            same(curve.get_ydata(), ratio)
            same(curve.get_xdata(), result.column("t") + panel)


def rows_of_ratios(*ratios):
    """Rows of figure 2 with the same ratios for both patch sizes."""
    return [
        [t, 1.0, 1.0, r, r, r, r, r, r, r, r]
        for t, r in zip(figure2.TIMES, ratios, strict=True)
    ]


@pytest.mark.parametrize(
    ("low", "rest", "verdicts"),
    [(1.4, 1.0, [True, True]), (1.4, 1.2, [False, True]), (1.0, 0.98, [True, False])],
)
def test_figure_2_agrees_where_only_low_t_is_worse(low, rest, verdicts):
    rows = rows_of_ratios(*[low] * 7, *[rest] * 10)
    assert [claim.agrees for claim in figure2.claims(rows)] == verdicts * 2


def test_figure_3_shows_the_losses_that_trainings_recorded(tmp_path):
    (result,) = figure3.make(replace(TINY, out=str(tmp_path)), recorded)
    same(result.column("step"), [10, 20, 30])
    same(result.column("p4_eps"), [16 + 1 / 10, 16 + 1 / 20, 16 + 1 / 30])
    curves = lines_of(result.figure)
    for panel, p in enumerate(figure3.PATCHES):
        for kind in LOSSES:
            same(curves[panel, kind].get_ydata(), result.column(f"p{p}_{kind}"))
    assert all(claim.agrees for claim in result.claims)
    worse = [[*row[:-1], 99.0] for row in result.rows]  # v with patches
    assert not any(claim.agrees for claim in figure3.claims(worse))


def test_a_curve_counts_steps_done_twice_once(tmp_path):
    for steps, loss in (((10, 20, 30), 2.0), ((20, 30, 40), 1.0)):
        writer = tf.summary.create_file_writer(str(tmp_path / "logs"))
        with writer.as_default():
            for step in steps:
                tf.summary.scalar("loss/simple", loss, step=step)
        writer.close()
    assert read_curve(tmp_path) == {10: 2.0, 20: 1.0, 30: 1.0, 40: 1.0}
    assert tail_mean(np.array([5.0, 4, 3, 2, 1])) == 1.0


@pytest.mark.slow
def test_figure_4_measures_the_way_to_the_optimum(tmp_path):
    (result,) = figure4.make(replace(TINY, out=str(tmp_path)), untrained)
    assert len(result.figure.axes) == figure4.SHOWN * (3 + len(figure4.KINDS))
    same(result.column("relative"), result.column("rmse") / result.column("rmse")[-1])
    best = np.zeros((3, 8, 8, 1))
    rows = figure4.tabulate(best, [best + 0.6, best + 0.2, best - 0.1])
    same([row[3] for row in rows], [0.6, 0.2, 0.1])
    assert [claim.agrees for claim in figure4.claims(rows, 970)] == [True, False]


def test_an_untrained_eps_is_far_from_the_optimum_by_the_noise_over_the_signal():
    """Its x is z / sqrt(alpha): off by the noise, divided by the signal."""
    config = networks.plan(TINY, 4, "eps")
    denoise = build_denoiser(config)  # its output is exactly 0
    z = tf.random.stateless_normal([4, 32, 32, 1], [0, 1])
    alpha = np.exp(denoise.schedule.log_alpha[970])
    denoised = denoise(z, denoise.schedule.level(970)).x
    np.testing.assert_allclose(denoised, z / np.sqrt(alpha), rtol=1e-4)


@pytest.mark.slow
def test_table_1_measures_what_was_sampled(tmp_path):
    (result,) = table1.make(replace(TINY, out=str(tmp_path)), untrained)
    assert list(result.column("patch_size")) == [2, 4, 8]
    assert (result.column("images_per_second") > 0).all()
    low, distance, high = (
        result.column(f"frechet_{name}") for name in ("low", "distance", "high")
    )
    assert ((low < distance) & (distance < high)).all()
    for panel, row in zip(result.figure.axes, result.rows, strict=True):
        shown = f"{row[result.columns.index('frechet_distance')]:.4g}"
        assert shown in panel.get_title()
    for p, energy in zip((2, 4, 8), result.column("seam_energy"), strict=True):
        with np.load(tmp_path / f"table1_p{p}.npz") as file:
            assert file["arr_0"].shape == (24, 32, 32, 1)
            assert seam_energy(file["arr_0"], p) == pytest.approx(energy)
    good = [[p, 1, p, d, 0, 0, 1, 1] for p, d in ((2, 5.0), (4, 7.0), (8, 30.0))]
    assert all(claim.agrees for claim in table1.claims(good))
    bad = [[p, 1, 1 / p, d, 0, 0, 1, 1] for p, d in ((2, 5.0), (4, 50.0), (8, 60.0))]
    assert not any(claim.agrees for claim in table1.claims(bad))


# --- files and plans ------------------------------------------------------------------


def test_files_hold_the_table_and_nothing_is_left_beside_them(tmp_path):
    figure = results.new_figure(2, 1)
    claim = results.Claim("it holds", "it does not", False)
    result = results.Result(
        "one", ("t", "y"), [[0, 0.123456789], [1, 2.0]], figure, [claim]
    )
    files = results.write_result(result, tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert read_back(files[0]) == (["t", "y"], [["0", "0.123457"], ["1", "2"]])
    assert "DIFFERS from the paper: it holds" in files[2].read_text()


def test_networks_of_all_patch_sizes_have_about_as_many_parameters():
    counts = []
    for p in networks.SIZES:
        network = build_denoiser(networks.plan(TINY, p)).network
        counts.append(sum(int(tf.size(v)) for v in network.trainable_variables))
    assert max(counts) < 1.12 * min(counts)


@pytest.mark.parametrize("shape", [(32, 32, 3), (64, 64, 3)])
def test_photographs_get_networks_of_their_own_shape(shape):
    config = replace(TINY, dataset="photos", image_shape=shape)
    plan = networks.plan(config, 8)
    assert plan.network.image_shape == shape and plan.data.dataset == "photos"
    assert networks.shape_of(replace(config, image_shape=())) == (32, 32, 3)


def test_names_of_runs_tell_apart_what_is_trained_apart():
    runs = {
        networks.plan(TINY, p, kind, weighting, initial).training.run_dir
        for p in networks.SIZES
        for kind in ("x", "eps", "v")
        for weighting in ("snr", "sqrt_snr")
        for initial in (False, True)
    }
    assert len(runs) == 4 * 3 * 2 * 2


@pytest.mark.parametrize(
    "wrong", [{"judged": 1}, {"t": 1000}, {"t": -1}, {"steps": 1}, {"iterations": 0}]
)
def test_settings_without_sense_are_named(wrong):
    (name,) = wrong
    with pytest.raises(InputError, match=f"^{name}="):
        networks.check(replace(TINY, **wrong))
