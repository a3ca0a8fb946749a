"""What has been stored keeps its digest: the literals were computed before this module was there."""

from agents.canonical import canonical_json, digest_of


def test_the_order_of_keys_changes_nothing_and_the_order_of_a_list_does() -> None:
    assert digest_of({"a": 1, "b": {"d": 2, "c": 3}}) == digest_of({"b": {"c": 3, "d": 2}, "a": 1})
    assert digest_of([1, 2]) != digest_of([2, 1])


def test_the_text_is_ascii_in_the_form_that_the_first_events_had() -> None:
    assert canonical_json({"b": [1, None], "a": "größer"}) == (
        '{"a": "gr\\u00f6\\u00dfer", "b": [1, null]}'
    )
