"""Samples in parts: the union is the one run, bit for bit; gaps are named."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import MixtureToy

from pdm_tf.commands.merge import main
from pdm_tf.config import InputError, MergeConfig, SampleConfig
from pdm_tf.serving import DenoiserGenerator, write_samples
from pdm_tf.serving.samples import is_of_samples
from pdm_tf.serving.shards import Shard, merge_samples
from pdm_tf.storage.outputs import locked_directory

GENERATOR = DenoiserGenerator(MixtureToy())
GENERATOR.description["digest"] = "toy"
SETTINGS = {"model": "toy", "num_images": 7, "seed": 3, "steps": "2", "batch_size": 2}


def sampled(out: Path, **settings) -> Path:
    given = {**SETTINGS, "sampler": "ddpm", "out_dir": str(out), **settings}
    return write_samples(GENERATOR, SampleConfig(**given))


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> list[str]:
    place = tmp_path_factory.mktemp("parts")
    return [str(sampled(place / f"{i}", shard=f"{i}/3")) for i in (1, 2, 3)]


def files(directory: Path) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes()
        for file in directory.iterdir()
        if file.name[0] != "."
    }


def test_the_union_of_parts_is_the_one_run(parts, tmp_path):
    whole = sampled(tmp_path / "whole")
    config = MergeConfig(shards=(*parts[1:], parts[0]), out_dir=str(tmp_path / "put"))
    assert files(merge_samples(config)) == files(whole)
    assert files(merge_samples(config)) == files(whole)  # and so once more
    folder = (str(Path(parts[0]).parent),)  # that they lie in
    assert files(merge_samples(replace(config, shards=folder))) == files(whole)
    sampled(tmp_path / "put")  # which takes it for its own
    assert files(tmp_path / "put") == files(whole)


def test_a_part_names_its_pictures_as_the_one_run_does(parts):
    names = [{p.name for p in Path(part).glob("0*.png")} for part in parts]
    assert [len(n) for n in names] == [2, 2, 3]
    assert set().union(*names) == {f"{i:06d}.png" for i in range(7)}


@pytest.mark.parametrize("images, size, count", [(1, 1, 1), (7, 2, 4), (64, 5, 13)])
def test_parts_are_whole_batches_and_cover_all_once(images, size, count):
    ranges = [Shard(i + 1, count).numbers(images, size) for i in range(count)]
    assert [number for part in ranges for number in part] == list(range(images))
    assert all(part.start % size == 0 for part in ranges)
    lengths = [-(-len(part) // size) for part in ranges]
    assert max(lengths) - min(lengths) <= 1


def test_a_part_that_was_stopped_goes_on(parts, tmp_path):
    here = sampled(tmp_path / "part", shard="3/3")
    (here / "samples.npz").unlink()
    (here / "000006.png").unlink()
    sampled(here, shard="3/3")
    assert files(here) == files(Path(parts[2]))


def test_a_part_is_not_continued_as_another(parts, tmp_path):
    here = shutil.copytree(parts[0], tmp_path / "part")
    for other in ({"shard": "2/3"}, {}, {"shard": "1/3", "batch_size": 1}):
        with pytest.raises(InputError, match=r"there, .* now"):
            sampled(here, **other)
    assert files(here) == files(Path(parts[0]))


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "-1/3", "a/b", "1/2/3"])
def test_what_is_no_part_is_refused(tmp_path, shard):
    with pytest.raises(InputError, match="shard"):
        sampled(tmp_path / "out", shard=shard)
    assert not (tmp_path / "out").exists()


def test_a_part_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="leave it none"):
        sampled(tmp_path / "out", shard="1/8")


def test_a_gap_a_double_and_another_run_are_named(parts, tmp_path):
    def refused(shards, message) -> None:
        config = MergeConfig(shards=tuple(shards), out_dir=str(tmp_path / "put"))
        with pytest.raises(InputError, match=message):
            merge_samples(config)
        assert not (tmp_path / "put").exists()

    refused([], "name the directories")
    refused(parts[::2], "part 2/3 is missing")
    refused([*parts, parts[1]], "is the same part as")
    refused([*parts, str(tmp_path)], "no directory of")
    other = sampled(tmp_path / "other", shard="2/3", seed=4)
    refused([parts[0], str(other), parts[2]], r"other.*seed 3 there, 4 now")
    cut = shutil.copytree(parts[1], tmp_path / "cut")
    (cut / "samples.npz").unlink()
    refused([parts[0], str(cut), parts[2]], r"cut.*not finished")


def test_a_damaged_part_is_named_and_nothing_is_called_whole(parts, tmp_path):
    cut = Path(shutil.copytree(parts[1], tmp_path / "cut"))
    data = np.frombuffer((cut / "samples.npz").read_bytes(), np.uint8).copy()
    data[len(data) // 2] ^= 1
    (cut / "samples.npz").write_bytes(data.tobytes())
    shards = parts[0], str(cut), parts[2]
    with pytest.raises(InputError, match=r"cut.*not a sound npz"):
        merge_samples(MergeConfig(shards=shards, out_dir=str(tmp_path / "put")))
    assert not (tmp_path / "put" / "samples.npz").exists()


def test_another_command_that_writes_there_is_waited_for(parts, tmp_path):
    with (
        locked_directory("out_dir", str(tmp_path / "put"), is_of_samples),
        pytest.raises(InputError, match="another command is writing there"),
    ):
        merge_samples(MergeConfig(shards=tuple(parts), out_dir=str(tmp_path / "put")))


def test_the_command_says_where_it_is(parts, tmp_path, capsys):
    main(["merge", f"--shards={','.join(parts)}", f"--out_dir={tmp_path / 'put'}"])
    assert str(tmp_path / "put") in capsys.readouterr().out
    assert (tmp_path / "put" / "000006.png").exists()
