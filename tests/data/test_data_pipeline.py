"""The order of the data: a pure function of (seed, step), whatever the source."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.data.pipeline import pictures_in_order, training_batches
from pdm_tf.data.reading import InMemory, OnDemand

SHAPE = (3, 4, 2)


def numbered(size, kind):
    """Picture i holds i in its first pixel and in its label, noise elsewhere."""
    pictures = np.random.default_rng(0).integers(0, 256, (size, *SHAPE), np.uint8)
    labels = np.arange(size, dtype=np.int32)
    if kind == "in memory":
        return InMemory("toy", pictures, labels)
    return OnDemand("toy", SHAPE, pictures.__getitem__, str, labels)


@pytest.fixture(params=["in memory", "on demand"])
def kind(request):
    return request.param


def first(dataset, count):
    return [
        (x, labels)
        for x, labels in itertools.islice(dataset.as_numpy_iterator(), count)
    ]


def assert_same(batches, others):
    assert len(batches) == len(others) > 0
    for (x, labels), (x2, labels2) in zip(batches, others, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(labels, labels2)


@pytest.mark.parametrize("batch_size", [3, 17, 50])
def test_a_restart_goes_on_as_if_nothing_had_happened(kind, batch_size):
    source = numbered(17, kind)
    through = first(training_batches(source, batch_size, 5, horizontal_flip=True), 12)
    for step in (1, 7):
        restarted = training_batches(
            source, batch_size, 5, start_step=step, horizontal_flip=True
        )
        assert_same(first(restarted, 12 - step), through[step:])


def test_the_way_a_source_is_held_changes_nothing():
    ways = [
        first(training_batches(numbered(10, kind), 4, 1, horizontal_flip=True), 9)
        for kind in ("in memory", "on demand")
    ]
    assert_same(*ways)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
@pytest.mark.parametrize("batch_size", [1, 2, 6, 7, 8, 31])
def test_every_epoch_is_a_permutation(size, batch_size):
    steps = -(-4 * size // batch_size)
    batches = first(training_batches(numbered(size, "in memory"), batch_size, 0), steps)
    order = np.concatenate([labels for _, labels in batches])[: 4 * size]
    epochs = order.reshape(4, size)
    for epoch in epochs:
        assert sorted(epoch) == list(range(size))
    if size == 100:
        assert all((a != b).mean() > 0.9 for a, b in itertools.combinations(epochs, 2))
        assert (epochs[0] != np.arange(size)).mean() > 0.9


def test_far_steps_cost_nothing_and_lie_in_their_epoch():
    source = numbered(10, "in memory")
    batches = first(training_batches(source, 5, 0, start_step=2 * 10**9), 2)
    assert sorted(np.concatenate([labels for _, labels in batches])) == list(range(10))


def test_seeds_give_other_orders():
    source = numbered(100, "in memory")
    orders = [
        first(training_batches(source, 100, seed), 1)[0][1] for seed in (0, 1, -1)
    ]
    for one, other in itertools.combinations(orders, 2):
        assert (one != other).mean() > 0.9


@pytest.mark.parametrize("count", [2, 3, 6])
def test_shards_are_the_global_batch_cut_in_order(kind, count):
    source = numbered(13, kind)
    whole = first(training_batches(source, 6, 2, horizontal_flip=True), 5)
    shards = [
        first(
            training_batches(source, 6, 2, horizontal_flip=True, shard=(index, count)),
            5,
        )
        for index in range(count)
    ]
    joined = [
        tuple(np.concatenate(parts) for parts in zip(*step, strict=True))
        for step in zip(*shards, strict=True)
    ]
    assert_same(joined, whole)


def test_pictures_keep_their_labels_and_half_are_mirrored(kind):
    source = numbered(40, kind)
    mirrored = []
    for x, labels in first(training_batches(source, 32, 0, horizontal_flip=True), 40):
        originals, _ = source.read(labels.astype(np.int64))
        straight = (x == originals).all((1, 2, 3))
        assert (straight | (x == originals[:, :, ::-1]).all((1, 2, 3))).all()
        mirrored.append(~straight)
    mirrored = np.stack(mirrored)
    assert abs(mirrored.mean() - 0.5) < 0.05
    assert mirrored.mean(0).min() > 0.2 and mirrored.mean(0).max() < 0.8  # per place
    assert mirrored.mean(1).min() > 0.1 and mirrored.mean(1).max() < 0.9  # per step


def test_flips_do_not_change_the_order():
    source = numbered(20, "in memory")
    plain = first(training_batches(source, 8, 3), 5)
    flipped = first(training_batches(source, 8, 3, horizontal_flip=True), 5)
    for (x, labels), (_, labels2) in zip(plain, flipped, strict=True):
        np.testing.assert_array_equal(labels, labels2)
        np.testing.assert_array_equal(x, source.read(labels)[0])


def test_shapes_are_static(kind):
    dataset = training_batches(numbered(9, kind), 6, 0, shard=(1, 2))
    x, labels = dataset.element_spec
    assert (x.shape, x.dtype) == ((3, *SHAPE), tf.uint8)
    assert (labels.shape, labels.dtype) == ((3,), tf.int32)


@pytest.mark.parametrize(("batch_size", "count"), [(0, 1), (-4, 1), (10, 4), (3, 4)])
def test_batches_that_cannot_be_shared_are_refused(batch_size, count):
    with pytest.raises(InputError, match=rf"batch_size={batch_size}.*multiple"):
        training_batches(numbered(5, "in memory"), batch_size, 0, shard=(0, count))


@pytest.mark.parametrize("batch_size", [1, 4, 13, 20])
def test_once_through_in_order(kind, batch_size):
    source = numbered(13, kind)
    batches = list(pictures_in_order(source, batch_size))
    assert all(len(labels) == batch_size for _, labels in batches[:-1])
    x, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert labels.tolist() == list(range(13))
    np.testing.assert_array_equal(x, source.read(np.arange(13))[0])
