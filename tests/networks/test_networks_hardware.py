"""The warning about processors without half precision: when, and only once."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from pdm_tf.networks import hardware

OLD = "processor : 0\nflags : fpu sse4_2 avx2 avx512f f16c\n\nprocessor : 1\n"
NEW = OLD.replace("f16c", "f16c amx_bf16 avx512_fp16")
CPU, GPU = (SimpleNamespace(device_type=kind) for kind in ("CPU", "GPU"))
ARM = "processor : 0\nFeatures : fp asimd asimdhp bf16\n"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_only_a_known_processor_without_the_arithmetic_imitates(precision):
    assert hardware.imitates(precision, OLD)
    for able in (NEW, ARM, ""):
        assert not hardware.imitates(precision, able)
    assert not hardware.imitates("float32", OLD)


def test_one_arithmetic_is_not_the_other():
    assert hardware.imitates("mixed_float16", OLD + "amx_bf16")
    assert not hardware.imitates("mixed_bfloat16", OLD + "amx_bf16")


@pytest.fixture
def warned(tmp_path, monkeypatch, capsys):
    """What is said about a processor, asked twice."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda: [CPU])
    monkeypatch.setattr(hardware, "CPU_DESCRIPTION", tmp_path / "cpuinfo")

    def ask(precision, description):
        hardware.warn_of_imitation.cache_clear()
        (tmp_path / "cpuinfo").write_text(description)
        hardware.warn_of_imitation(precision)
        hardware.warn_of_imitation(precision)
        said = capsys.readouterr()
        assert not said.out
        return said.err.splitlines()

    yield ask
    hardware.warn_of_imitation.cache_clear()


def test_the_warning_is_one_line_and_comes_once(warned):
    (line,) = warned("mixed_bfloat16", OLD)
    assert line.startswith("warning: precision=mixed_bfloat16")
    assert "precision=float32" in line
    assert warned("mixed_bfloat16", NEW) == []
    assert warned("float32", OLD) == []


def test_a_gpu_or_no_description_keeps_it_quiet(warned, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda: [CPU, GPU])
    assert warned("mixed_bfloat16", OLD) == []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda: [CPU])
    monkeypatch.setattr(hardware, "CPU_DESCRIPTION", tmp_path / "nothing")
    hardware.warn_of_imitation.cache_clear()
    hardware.warn_of_imitation("mixed_bfloat16")
    assert capsys.readouterr().err == ""
