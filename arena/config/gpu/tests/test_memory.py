"""How a GPU's memory is shared."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.config.gpu.hardware import SMOLLM2
from arena.config.gpu.memory import BaseShape, Plan, TooLittleMemory, plan

# Qwen2.5-7B-Instruct's config.json.
SEVEN_BILLION = BaseShape(15_231_233_024, 28, 3584, 18944, 4, 128, 28)


def planned(base: BaseShape, *, total: int, free: int, trains_here: bool = True) -> Plan:
    return plan(
        base,
        total_mib=total,
        free_mib=free,
        context_tokens=2048,
        rank=16,
        trained_together=8,
        trains_here=trains_here,
    )


def test_the_cache_of_a_token_is_that_of_the_models_heads() -> None:
    assert SMOLLM2.key_value_bytes == 30 * 2 * 3 * 64 * 2  # layers, keys and values, heads, bf16
    assert SEVEN_BILLION.key_value_bytes == 57_344


def test_an_adapter_has_as_many_weights_as_peft_gives_it() -> None:
    assert SMOLLM2.adapter_weights(16) == 4_884_480  # of LoraConfig(r=16) on the seven modules


@given(
    total=st.integers(1_000, 200_000),
    used=st.integers(0, 200_000),
    width=st.sampled_from([SMOLLM2, SEVEN_BILLION]),
    trains=st.booleans(),
)
def test_what_is_planned_fits_in_what_is_free(
    total: int, used: int, width: BaseShape, trains: bool
) -> None:
    free = max(0, total - used)
    try:
        shared = planned(width, total=total, free=free, trains_here=trains)
    except TooLittleMemory:
        return
    assert shared.serving_mib + shared.training_mib <= free
    assert (shared.training_mib > 0) is trains
    assert 0 < shared.share <= free / total


def test_a_large_gpu_serves_as_many_answers_as_help_and_leaves_the_rest() -> None:
    shared = planned(SMOLLM2, total=143_771, free=143_000)
    assert (shared.contexts, shared.loras) == (256, 32)
    assert shared.share < 0.2
    assert not shared.nf4


def test_four_bits_are_for_bases_that_gain_by_them() -> None:
    assert planned(SEVEN_BILLION, total=81_920, free=81_000).nf4


def test_a_gpu_that_others_hold_is_refused_with_the_figures() -> None:
    with pytest.raises(
        TooLittleMemory,
        match=r"at least 2\.\d GiB and training 4\.\d GiB, but only 2\.9 GiB of 8\.0 GiB are free: "
        r"other programs hold 5\.1 GiB",
    ):
        planned(SMOLLM2, total=8192, free=3000)


def test_serving_alone_fits_where_training_does_not() -> None:
    assert planned(SMOLLM2, total=8192, free=4000, trains_here=False).training_mib == 0


def test_two_servers_share_what_one_would_take() -> None:
    one = planned(SMOLLM2, total=24_564, free=20_000)
    two = plan(
        SMOLLM2,
        total_mib=24_564,
        free_mib=20_000,
        context_tokens=2048,
        rank=16,
        trained_together=8,
        servers=2,
    )
    assert 2 * two.serving_mib + two.training_mib <= 20_000
    assert two.contexts <= one.contexts


def test_a_wider_base_never_takes_less() -> None:
    wider = replace(SMOLLM2, layers=60)
    narrow, wide = (planned(base, total=40_960, free=40_000) for base in (SMOLLM2, wider))
    assert wide.training_mib > narrow.training_mib
