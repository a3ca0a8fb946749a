"""Which type a base computes in, by what /proc/cpuinfo says."""

import pytest

from agents.inference import processor

ZEN_3 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 f16c\n"
ZEN_4 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512_bf16\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\n"
OLD_ARM = "processor\t: 0\nFeatures\t: fp asimd\n"


@pytest.mark.parametrize(
    ("cpuinfo", "dtype"),
    [
        (ZEN_3, "float32"),
        (ZEN_4, "bfloat16"),
        (ARM, "bfloat16"),
        (OLD_ARM, "float32"),
        ("", "float32"),
        (ZEN_3.replace("f16c", "f16c bf16ish"), "float32"),
        (f"{ZEN_3}\n{ZEN_4}", "float32"),  # the first core counts
    ],
)
def test_only_a_processor_that_multiplies_bfloat16_computes_in_it(cpuinfo: str, dtype: str) -> None:
    assert processor.fast_dtype(processor.first_core(cpuinfo)) == dtype


def test_a_system_without_cpuinfo_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path_factory.mktemp("proc") / "cpuinfo")
    processor._this_core.cache_clear()
    try:
        assert processor.cpu_dtype() == "float32"
        assert processor.described().endswith("unknown processor, float32")
    finally:
        processor._this_core.cache_clear()
