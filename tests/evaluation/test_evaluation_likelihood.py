"""The variational bound: closed forms, what it bounds, and what changes nothing."""

import numpy as np
import pytest
import reference_diffusion as naive
import tensorflow as tf
from scipy.special import ndtr
from toys import GaussianToy

from pdm_tf import seeds
from pdm_tf.config import InputError
from pdm_tf.data.images import to_float, to_uint8
from pdm_tf.denoisers import EmpiricalDenoiser, Prediction, split
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.evaluation.likelihood.bound import cut_sections, measure_bound

LARGE = (24, 24, 1)  # many pixels cost less than many pictures
EDGES = np.concatenate([[-np.inf], np.arange(-254, 255, 2) / 255, [np.inf]])
LEVELS = to_float(np.arange(256, dtype=np.uint8)).astype(np.float64)


class Narrow(GaussianToy):
    """Normal pixels, hardly any beyond [-1, 1], and a chosen variance of the steps."""

    std = 0.25

    def __init__(self, timesteps=40, share=0.3, shift=0.0, image_shape=(4, 4, 1)):
        super().__init__(shift, image_shape)
        self.share = share
        self.schedule = NoiseSchedule.linear(timesteps, 20 / timesteps)

    def settings(self):
        made = {"timesteps": self.schedule.timesteps, "share": self.share}
        return {**made, **super().settings()}

    def __call__(self, z, level):
        self.traces += 1
        x = self.denoised(z, level.per_pixel())
        return Prediction(x, tf.fill(tf.shape(x), self.share))


def digitised(count, shift=0.0, shape=(4, 4, 1)):
    """8-bit pictures of the toy's data."""
    x = shift + Narrow.std * np.random.default_rng(0).normal(size=(count, *shape))
    return to_uint8(x.astype(np.float32))


def batched(pictures, size=1000, labels=None):
    labels = np.zeros(len(pictures), np.int32) if labels is None else labels
    for start in range(0, len(pictures), size):
        yield pictures[start : start + size], labels[start : start + size]


def bins():
    """Probability of each of the 256 grey levels."""
    below = ndtr(EDGES / Narrow.std)
    return np.diff(below)


def closed_form(toy):
    """Prior and terms, expected over pictures and noise [bits], all in float64."""
    alpha, before = naive.alphas(toy.schedule.betas)
    betas, p = np.array(toy.schedule.betas), bins()
    second = p @ LEVELS**2  # of the 8-bit pictures
    prior = 0.5 * (alpha[-1] * second - alpha[-1] - np.log1p(-alpha[-1]))
    gain = np.sqrt(alpha) * toy.std**2 / (alpha * toy.std**2 + 1 - alpha)
    error = (1 - gain * np.sqrt(alpha)) ** 2 * second + gain**2 * (1 - alpha)
    tilde = betas[1:] * (1 - before[1:]) / (1 - alpha[1:])
    tilde = np.concatenate([tilde[:1], tilde])  # t = 0 takes that of t = 1
    variance = tilde**toy.share * betas ** (1 - toy.share)
    c = np.sqrt(before) * betas / (1 - alpha)
    steps = 0.5 * (
        tilde / variance - 1 - np.log(tilde / variance) + c**2 * error / variance
    )
    steps[0] = decoder(p, alpha[0], gain[0], np.sqrt(variance[0]))
    return prior / np.log(2), steps / np.log(2)


def decoder(p, alpha, gain, scale):
    """-log probability of the right bin, over all levels and (by quadrature) noise."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    z = np.sqrt(alpha) * LEVELS[:, None] + np.sqrt(1 - alpha) * nodes
    a, b = ((edge[:, None] - gain * z) / scale for edge in (EDGES[:-1], EDGES[1:]))
    a, b = np.where(a > 0, -b, a), np.where(a > 0, -a, b)
    found = np.log(np.maximum(ndtr(b) - ndtr(a), 1e-12))
    return -p @ found @ weights / weights.sum()


# --- closed forms ---------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_on_normal_data_it_equals_the_closed_form(share):
    toy = Narrow(share=share, image_shape=LARGE)
    prior, terms = closed_form(toy)
    found = measure_bound(toy, batched(digitised(50, shape=LARGE)))
    assert found.prior.mean() == pytest.approx(prior, rel=0.03)
    np.testing.assert_array_less(np.abs(found.terms - terms), 5 * found.errors + 1e-6)
    error = found.total.std() / np.sqrt(len(found.total))
    assert error < 0.02 * found.total.mean()
    assert found.total.mean() == pytest.approx(prior + terms.sum(), abs=4 * error)


def test_for_the_same_noise_it_equals_the_naive_loop():
    toy, pictures, seed = Narrow(timesteps=30, share=0.3), digitised(2), 11
    found = measure_bound(toy, batched(pictures), seed=seed)
    x, betas = to_float(pictures), toy.schedule.betas
    total = np.zeros(len(x))
    for t in range(30):
        level = toy.schedule.level(t)
        eps = seeds.normal(seeds.keys(tf.range(seed, seed + 2), t + 1), (4, 4, 1))
        z = float(level.signal) * x + float(level.noise) * eps.numpy()
        denoised = toy.denoised(z, level).numpy()
        share = np.full(x.shape[1:], 0.3)
        rows = [naive.bound(betas, t, z[n], x[n], denoised[n], share) for n in range(2)]
        assert found.terms[t] == pytest.approx(np.mean(rows), rel=1e-3, abs=1e-7)
        total += rows
    np.testing.assert_allclose(found.decoder + found.steps, total, rtol=2e-5)


def test_it_is_above_the_true_likelihood_and_tends_to_it():
    """With beta as the variance the gap falls as 1 / T."""
    pictures = digitised(16, shape=LARGE)
    place = np.searchsorted(EDGES, to_float(pictures).astype(np.float64)) - 1
    truth = -np.log2(bins()[place]).mean(axis=(1, 2, 3))
    gaps = []
    for timesteps in (30, 120, 480):
        toy = Narrow(timesteps, 0.0, image_shape=LARGE)
        prior, terms = closed_form(toy)
        gaps.append(prior + terms.sum() + bins() @ np.log2(bins()))
        found = measure_bound(toy, batched(pictures)).total - truth
        error = found.std() / np.sqrt(len(found))
        assert found.mean() == pytest.approx(gaps[-1], abs=4 * error)
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2] > 0
    assert gaps[2] < 0.03 < 0.2 < gaps[0]


def test_for_the_optimal_denoiser_of_n_pictures_it_tends_to_log_n():
    """Apart from the decoder: one of N pictures, told apart for certain, is log2 N."""
    pictures = np.random.default_rng(1).integers(0, 256, (16, 4, 4, 1), np.uint8)
    truth = np.log2(16) / 16
    gaps = []
    for timesteps in (25, 100):
        schedule = NoiseSchedule.linear(timesteps, 20 / timesteps)
        denoise = EmpiricalDenoiser(pictures, schedule, decoded=to_float)
        found = measure_bound(denoise, batched(np.tile(pictures, (20, 1, 1, 1))))
        gaps.append((found.prior + found.steps).mean() - truth)
    assert gaps[0] > 2 * gaps[1] > 0
    assert gaps[1] < 0.1 * truth


# --- what the number is made of -------------------------------------------------------


@pytest.mark.parametrize("terms", [0, 7])
def test_the_terms_add_up_to_the_total(terms):
    found = measure_bound(Narrow(), batched(digitised(9), 4), terms=terms)
    assert found.prior.mean() + found.terms.sum() == pytest.approx(found.total.mean())
    assert found.terms[0] == pytest.approx(found.decoder.mean())
    assert found.total.shape == (9,)


@pytest.mark.parametrize("terms", [0, 7])
def test_batch_size_changes_nothing(terms):
    toy, pictures = Narrow(shift=0.2), digitised(11)
    labels = np.arange(11, dtype=np.int32) % 2
    one, *others = (
        measure_bound(toy, batched(pictures, size, labels), terms=terms, seed=5)
        for size in (11, 4, 1)
    )
    for other in others:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9)


def test_noise_belongs_to_seed_and_picture():
    toy, pictures = Narrow(), digitised(6)
    whole = measure_bound(toy, batched(pictures), seed=3).total
    rest = measure_bound(toy, batched(pictures[2:]), seed=5).total
    np.testing.assert_allclose(whole[2:], rest, rtol=1e-6)
    other = measure_bound(toy, batched(pictures), seed=4).total
    assert np.all(whole != other)


@pytest.mark.parametrize("timesteps", [2, 10, 41, 1000])
def test_sections_hold_every_timestep_once(timesteps):
    for terms in {0, 2, 3, timesteps // 3, timesteps - 1, timesteps}:
        if terms == 1 or terms > timesteps:
            continue
        edges = cut_sections(timesteps, terms)
        assert len(edges) - 1 == (terms or timesteps)
        assert edges[:2].tolist() == [0, 1]  # the decoder alone
        assert edges[-1] == timesteps
        assert np.diff(edges).min() >= 1


def test_an_estimate_by_all_terms_is_the_bound_itself():
    toy, pictures = Narrow(), digitised(5)
    exact = measure_bound(toy, batched(pictures))
    found = measure_bound(toy, batched(pictures), terms=toy.schedule.timesteps)
    np.testing.assert_array_equal(exact.total, found.total)


def test_an_estimate_is_unbiased_within_its_standard_error():
    toy, pictures = Narrow(timesteps=60, share=0.0), digitised(300)
    exact = measure_bound(toy, batched(pictures)).total
    errors = []
    for terms in (4, 16):
        found = measure_bound(toy, batched(pictures), terms=terms).total
        errors.append((found - exact).std() / np.sqrt(len(found)))
        assert (found - exact).mean() == pytest.approx(0, abs=4 * errors[-1])
    assert errors[0] > 4 * errors[1] > 0


@pytest.mark.parametrize(("terms", "graphs"), [(0, 1), (8, 2)])
def test_one_graph_for_all_timesteps_and_batches(terms, graphs):
    """An estimate has two: for one timestep of all, and for one each."""
    toy = Narrow()
    measure_bound(toy, batched(digitised(7), 3), use_labels=False, terms=terms)
    assert toy.traces == graphs


# --- what it is asked of --------------------------------------------------------------


def test_labels_are_told_where_they_are_wanted():
    toy, labels = Narrow(shift=0.4), np.repeat([0, 1], 20).astype(np.int32)
    pictures = np.concatenate([digitised(20, -0.4), digitised(20, 0.4)])

    def bits(**settings):
        return measure_bound(toy, batched(pictures, 16, labels), **settings).total

    alone = measure_bound(toy.conditioned([1] * 20), batched(pictures[20:]), seed=20,
                          use_labels=False).total  # fmt: skip
    np.testing.assert_allclose(bits()[20:], alone, rtol=1e-5)
    assert bits().mean() < bits(use_labels=False).mean() - 0.1


@pytest.mark.parametrize("terms", [0, 8])
@pytest.mark.parametrize(("variance", "share"), [("large", 0.0), ("small", 1.0)])
def test_a_fixed_variance_overrules_the_learned_one(variance, share, terms):
    pictures = digitised(4)
    found = measure_bound(Narrow(share=0.5), batched(pictures), variance, terms=terms)
    fixed = measure_bound(Narrow(share=share), batched(pictures), terms=terms)
    np.testing.assert_array_equal(found.steps, fixed.steps)
    small = measure_bound(Narrow(share=1.0), batched(pictures), terms=terms)
    np.testing.assert_array_equal(found.decoder, small.decoder)


def test_the_large_decoder_is_as_wide_as_adms():
    """Its variances are beta-tilde of t = 1, then beta of t = 1 and later."""
    schedule = NoiseSchedule.linear()
    toy, pictures, seed = Narrow(), digitised(2), 7
    toy.schedule = schedule
    alpha, before = naive.alphas(schedule.betas)
    tilde = naive.bayes(0.0, 0.0, alpha[1], before[1])[1]
    x, level = to_float(pictures), schedule.level(0)
    eps = seeds.normal(seeds.keys(tf.range(seed, seed + 2), 1), (4, 4, 1))
    z = float(level.signal) * x + float(level.noise) * eps.numpy()
    denoised = np.clip(toy.denoised(z, level), -1, 1)

    def bits(variance):
        pairs = zip(x.ravel(), denoised.ravel(), strict=True)
        found = [naive.pixel_likelihood(*pair, np.sqrt(variance)) for pair in pairs]
        return -np.log2(found).reshape(2, -1).mean(axis=1)

    found = measure_bound(toy, batched(pictures), "large", terms=2, seed=seed).decoder
    np.testing.assert_allclose(found, bits(tilde), rtol=1e-4)
    assert np.all(bits(schedule.betas[0]) > found + 0.01)


def test_estimates_are_clipped_unless_told_otherwise():
    class Loud(Narrow):
        def denoised(self, z, level):
            return 3.0 * super().denoised(z, level)

    class Clipped(Loud):
        def denoised(self, z, level):
            return tf.clip_by_value(super().denoised(z, level), -1.0, 1.0)

    pictures = digitised(4)
    found = measure_bound(Loud(), batched(pictures)).total
    by_itself = measure_bound(Clipped(), batched(pictures), clip=False).total
    np.testing.assert_array_equal(found, by_itself)
    assert np.all(found < measure_bound(Loud(), batched(pictures), clip=False).total)


@pytest.mark.parametrize("terms", [0, 12])
def test_a_split_adds_up_from_its_parts(terms):
    parts, pictures = (Narrow(share=0.1), Narrow(share=0.9)), digitised(5)
    schedule = parts[0].schedule
    boundary = 15
    both = split(*parts, snr=float(np.exp(schedule.log_snr[boundary])) * 1.0001)
    found, low, high = (
        measure_bound(d, batched(pictures), terms=terms) for d in (both, *parts)
    )
    ends, starts = found.edges[1:], found.edges[:-1]
    below, above = ends <= boundary, starts >= boundary
    assert below.any() and above.any()
    np.testing.assert_allclose(found.terms[below], low.terms[below], rtol=1e-6)
    np.testing.assert_allclose(found.terms[above], high.terms[above], rtol=1e-6)
    assert not np.allclose(found.terms[above], low.terms[above], rtol=1e-3)


@pytest.mark.parametrize("terms", [-1, 1])
def test_terms_that_do_not_fit_are_refused(terms):
    with pytest.raises(InputError, match=f"terms={terms}: choose from 2 to 40"):
        measure_bound(Narrow(), batched(digitised(2)), terms=terms)


def test_a_broken_estimate_is_named():
    class Broken(Narrow):
        def denoised(self, z, level):
            return super().denoised(z, level) + tf.math.log(-1.0)

    with pytest.raises(InputError, match="t = 0 is not finite"):
        measure_bound(Broken(), batched(digitised(2)))
