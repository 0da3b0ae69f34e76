"""Laws of circuits: marginals by counting all pictures, EM, the tree, what is kept."""

import numpy as np
import pytest
import tensorflow as tf
from drawn_circuits import circuit_of, every_picture, write_drawn

from pdm_tf.config.inverse import LearnCircuitConfig
from pdm_tf.data.images import save_png
from pdm_tf.errors import InputError, SettingError
from pdm_tf.inverse.circuits import files, learning
from pdm_tf.inverse.circuits.circuit import draw_codes, log_likelihood, marginals
from pdm_tf.inverse.circuits.codes import learn_codebook, rows_of
from pdm_tf.inverse.manifests import CIRCUIT_FILE

N, CODES = 6, 2


@pytest.fixture(scope="module")
def circuit():
    return circuit_of(N, CODES, states=3)


def counted(circuit, evidence):
    """Marginals [n, K] under evidence [n, K], by the sum over all pictures."""
    codes, p = every_picture(circuit)
    weights = p * evidence[np.arange(N), codes].prod(1)
    shown = np.eye(CODES)[codes]
    return np.einsum("m,mik->ik", weights, shown) / weights.sum()


def test_the_probabilities_of_all_pictures_sum_up_to_one(circuit):
    assert every_picture(circuit)[1].sum() == pytest.approx(1, abs=1e-12)


def test_marginals_under_soft_evidence_are_those_of_counting(circuit):
    q = np.random.default_rng(1).random((4, N, CODES))
    wanted = [counted(circuit, one) for one in q]
    np.testing.assert_allclose(marginals(circuit, q), wanted, atol=1e-12)
    single = circuit.as_type(np.float32)
    found = marginals(single, q.astype("f4"))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_evidence_of_one_code_is_hard_evidence(circuit):
    codes, p = every_picture(circuit)
    known = {0: 1, 3: 0}
    q = np.ones((1, N, CODES))
    for i, k in known.items():
        q[0, i] = np.eye(CODES)[k]
    left = np.all([codes[:, i] == k for i, k in known.items()], axis=0)
    wanted = np.einsum("m,mik->ik", p[left], np.eye(CODES)[codes[left]]) / p[left].sum()
    np.testing.assert_allclose(marginals(circuit, q)[0], wanted, atol=1e-12)
    assert np.abs(wanted - counted(circuit, np.ones((N, CODES)))).max() > 0.1


def test_evidence_that_says_nothing_leaves_the_prior(circuit):
    codes, p = every_picture(circuit)
    prior = np.einsum("m,mik->ik", p, np.eye(CODES)[codes])
    for size in (1.0, 1e-6):
        q = np.full((2, N, CODES), size)
        np.testing.assert_allclose(marginals(circuit, q)[1], prior, atol=1e-12)


def test_float32_is_enough_for_many_nodes():
    large = circuit_of(200, 4, states=5)
    q = np.random.default_rng(0).random((2, 200, 4)) ** 20
    exact = marginals(large, q)
    found = marginals(large.as_type(np.float32), q.astype("f4"))
    np.testing.assert_allclose(found, exact, atol=2e-4)


def test_what_is_drawn_has_the_circuits_law(circuit):
    drawn = draw_codes(circuit, 20_000, np.random.default_rng(0))
    prior = counted(circuit, np.ones((N, CODES)))
    share = (drawn == 1).mean(0)
    np.testing.assert_allclose(share, prior[:, 1], atol=0.02)
    q = np.ones((1, N, CODES))
    q[0, 2, 0] = 0
    given = (drawn[drawn[:, 2] == 1] == 1).mean(0)
    np.testing.assert_allclose(given, marginals(circuit, q)[0, :, 1], atol=0.03)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_em_climbs_never_falls(circuit, smoothing):
    codes = draw_codes(circuit_of(N, CODES, 3, seed=5), 100, np.random.default_rng(0))
    before, first = -np.inf, None
    for _ in range(15):
        tables = circuit.prior, circuit.transitions, circuit.emissions
        bonus = sum(np.log(table).sum() for table in tables) if smoothing else 0
        circuit, likelihood = learning.maximise(circuit, codes, smoothing)
        now = len(codes) * likelihood + smoothing * bonus
        assert now >= before - 1e-9
        before, first = now, now if first is None else first
    assert before > first + 1


def test_the_mean_likelihood_is_that_of_the_circuit_given(circuit):
    codes = draw_codes(circuit, 30, np.random.default_rng(0))
    wanted = float(tf.reduce_mean(log_likelihood(circuit, codes)))
    assert learning.maximise(circuit, codes, 0.1)[1] == pytest.approx(wanted)


def test_the_tree_of_a_chain_is_the_chain():
    rng = np.random.default_rng(0)
    chain = [rng.integers(0, 3, 3000)]
    for _ in range(6):
        moved = (chain[-1] + 1) % 3
        chain.append(np.where(rng.random(3000) < 0.8, moved, rng.integers(0, 3, 3000)))
    order = rng.permutation(7)
    information = learning.mutual_information(np.stack(chain, 1)[:, order], 3)
    places, parents = learning.chow_liu(information)
    edges = {frozenset(order[places[[i, parents[i]]]].tolist()) for i in range(1, 7)}
    assert edges == {frozenset((i, i + 1)) for i in range(6)}
    assert order[places[0]] == 3  # the root is the middle


def test_what_is_independent_shares_no_information():
    codes = np.random.default_rng(0).integers(0, 30, (3000, 2))
    assert abs(learning.mutual_information(codes, 30)[0, 1]) < 0.05  # plug-in: 0.16


def test_moments_of_codes_are_those_of_their_patches():
    x = np.random.default_rng(0).uniform(-1, 1, (50, 8, 8, 1)).astype("f4")
    book = learn_codebook(x, 4, 6)
    codes = book.encode(x)
    rows = np.asarray(rows_of(x, 4)).reshape(-1, 16)
    share = np.bincount(codes.ravel(), minlength=6) / codes.size
    law = np.tile(share.astype("f4"), (1, 4, 1))
    found, spread = (values[0, 0] for values in book.moments(law))
    np.testing.assert_allclose(found, rows.mean(0), atol=0.03)  # k-means stops early
    np.testing.assert_allclose(spread, rows.var(0), atol=0.03)
    near = book.distances(rows_of(x, 4), np.ones((1, 4, 16), "f4"))
    np.testing.assert_array_equal(np.argmin(near, -1), codes)
    again = book.pictures(rows_of(x, 4), (8, 8, 1))
    np.testing.assert_array_equal(again, x)


SETTINGS = {"image_shape": (8, 8, 1), "patch": 2, "codes": 8, "states": 3}
SETTINGS |= {"pictures": 150, "iterations": 14}


def content(directory):
    return {p.name: p.read_bytes() for p in directory.iterdir() if p.name[0] != "."}


def test_learning_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    straight = LearnCircuitConfig(out=str(tmp_path / "straight"), **SETTINGS)
    assert "16 patches of 8 codes" in files.learn_circuit(straight)
    config = LearnCircuitConfig(out=str(tmp_path / "stopped"), **SETTINGS)
    maximise, calls = learning.maximise, []

    def stopping(*given):
        calls.append(None)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return maximise(*given)

    monkeypatch.setattr(learning, "maximise", stopping)
    with pytest.raises(KeyboardInterrupt):
        files.learn_circuit(config)
    files.learn_circuit(config)
    assert len(calls) == 12 + 4  # from the tenth on
    assert content(tmp_path / "stopped") == content(tmp_path / "straight")
    assert "learnt already" in files.learn_circuit(config)
    assert len(calls) == 16
    other = LearnCircuitConfig(out=config.out, **SETTINGS | {"seed": 1})
    with pytest.raises(SettingError, match="holds what another command made"):
        files.learn_circuit(other)


def test_a_folder_without_held_out_pictures_is_learnt_from_too(tmp_path):
    for i, picture in enumerate(np.random.default_rng(0).integers(0, 256, (6, 8, 8))):
        save_png(tmp_path / f"in/{i}.png", picture[..., None].astype(np.uint8))
    few = SETTINGS | {"dataset": f"folder:{tmp_path / 'in'}", "iterations": 1}
    made = files.learn_circuit(LearnCircuitConfig(out=str(tmp_path / "out"), **few))
    assert "held out" not in made and (tmp_path / "out" / "samples.png").is_file()
    many = LearnCircuitConfig(out=str(tmp_path / "more"), **few | {"codes": 100})
    with pytest.raises(SettingError, match="only 96 different patches"):
        files.learn_circuit(many)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"patch": 3}, "must divide"),
        ({"patch": 8}, "two patches"),
        ({"out": ""}, "out"),
    ],
)
def test_settings_that_make_no_circuit_are_one_line(tmp_path, changes, words):
    given = SETTINGS | {"out": str(tmp_path / "out")} | changes
    with pytest.raises(InputError, match=words):
        files.learn_circuit(LearnCircuitConfig(**given))
    assert not list(tmp_path.iterdir())


def test_a_circuit_that_cannot_be_read_is_one_line(tmp_path):
    write_drawn(tmp_path, (8, 8, 1), 2)
    with pytest.raises(SettingError, match="pictures of"):
        files.read_circuit(str(tmp_path), (8, 8, 3))
    with pytest.raises(SettingError, match="no circuit is there"):
        files.read_circuit(str(tmp_path / "nowhere"), (8, 8, 1))
    with pytest.raises(InputError, match="learn_circuit"):
        files.read_circuit("", (8, 8, 1))
    file = tmp_path / CIRCUIT_FILE
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    with pytest.raises(SettingError, match="damaged"):
        files.read_circuit(str(tmp_path), (8, 8, 1))
