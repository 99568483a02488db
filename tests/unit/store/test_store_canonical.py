"""Hashes of what we say and of where we write."""

import hashlib

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from store.canonical import address_hash, payload_hash

keys = st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(keys, values, max_size=4))
def test_what_is_hashed_is_what_rfc_8785_says(payload: dict[str, object]) -> None:
    assert payload_hash(payload) == hashlib.sha256(rfc8785.dumps(payload)).hexdigest()


@given(st.dictionaries(keys, values, max_size=4))
def test_the_order_of_keys_does_not_matter(payload: dict[str, object]) -> None:
    backwards = dict(reversed(payload.items()))
    assert payload_hash(payload) == payload_hash(backwards)
    assert payload_hash({**payload, "one more": 1}) != payload_hash(payload)


@pytest.mark.parametrize("payload", [{"a": 1.0}, {"a": [0.1]}, {"a": {"b": (1, float("nan"))}}])
def test_floats_are_refused_wherever_they_hide(payload: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="use minor units or text"):
        payload_hash(payload)


@pytest.mark.parametrize("payload", [{"a": 2**53}, {"a": "\ud800"}, {"a": [{"\U0001f642": 1}]}])
def test_what_another_hand_may_read_or_sort_otherwise_is_refused(payload: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        payload_hash(payload)


def test_a_hash_is_the_same_on_every_machine() -> None:
    canonical = "db07642f4c9aead00c7e829a340aee220cea047bbc0688927eab8f052d634805"  # of {"a":[1,null],"b":"ż"}
    assert payload_hash({"b": "ż", "a": [1, None]}) == canonical


def test_an_address_has_one_hash_however_it_is_spelled() -> None:
    assert address_hash(" Anna@Example.COM ") == address_hash("anna@example.com")
    assert address_hash("anna@example.com") != address_hash("bert@example.com")
