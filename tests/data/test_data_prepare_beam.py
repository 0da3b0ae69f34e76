"""Preparation by Apache Beam: the same bytes, after a stop too; faults in one line."""

import pytest
from containers import pack, photographs

from pdm_tf.config import InputError, PrepareConfig
from pdm_tf.data.preparation import one_file
from pdm_tf.data.preparation.prepare import prepare

RUNNER = {"beam_runner": "DirectRunner", "beam_options": ("direct_num_workers=1",)}


def settings(source, out, **changes):
    common = {"image_size": 16, "shard_pictures": 3, "labels": True}
    return PrepareConfig(source=str(source), out=str(out), **{**common, **changes})


def content(out):
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return pack("folder", photographs(8), tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """What this process writes by itself."""
    out = tmp_path_factory.mktemp("data") / "whole"
    prepare(settings(folder, out))
    return content(out)


def test_workers_write_the_bytes_of_one_process(folder, whole, tmp_path):
    pytest.importorskip("apache_beam")
    out = tmp_path / "out"
    record = prepare(settings(folder, out, **RUNNER))
    assert record.complete and len(record.shards) == 3
    assert content(out) == whole


def test_a_pipeline_that_failed_goes_on(folder, whole, tmp_path, monkeypatch):
    pytest.importorskip("apache_beam")
    out, write, full = tmp_path / "out", one_file.writing.write_shard, [True]
    written = []

    def until_full(path, *given):
        if "00002-of" in path.name and full:
            raise OSError("No space left on device")
        written.append(path.name)
        return write(path, *given)

    monkeypatch.setattr(one_file.writing, "write_shard", until_full)
    with pytest.raises(InputError, match="No space left") as error:
        prepare(settings(folder, out, **RUNNER))
    assert "\n" not in str(error.value) and "the same command" in str(error.value)
    full.clear()
    prepare(settings(folder, out, **RUNNER))
    assert len(written) == len(set(written)) == 3  # none a second time
    assert content(out) == whole
