"""The state record survives its bytes, and nothing else does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mpfhandler._pure.facts import FileId
from mpfhandler._pure.schedule import Period
from mpfhandler._pure.state import SIZE, State, pack, unpack

ids = st.integers(0, (1 << 64) - 1)
times = st.integers(-58_800_000_000, 247_000_000_000)
states = st.builds(
    State,
    st.builds(FileId, ids, ids),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.builds(Period, times, times),
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.integers(0, (1 << 64) - 1),
)


@settings(deadline=None)
@given(states)
def test_state_survives_its_bytes(state: State) -> None:
    """Packing and unpacking give the same state, in a record of fixed size."""
    assert len(pack(state)) == SIZE
    assert unpack(pack(state)) == state


@settings(deadline=None, max_examples=30)
@given(states)
def test_one_flipped_bit_makes_it_no_state(state: State) -> None:
    """Each single wrong bit of any state is noticed."""
    whole = int.from_bytes(pack(state), "big")
    for bit in range(SIZE * 8):
        assert unpack((whole ^ 1 << bit).to_bytes(SIZE, "big")) is None, bit


@settings(deadline=None)
@given(states, st.sets(st.integers(0, SIZE * 8 - 1), min_size=1, max_size=3), st.integers(0, SIZE * 8 - 1))
def test_a_few_flipped_bits_make_it_no_state(state: State, bits: set[int], burst: int) -> None:
    """Up to three wrong bits anywhere, and any run of up to 32 of them, are noticed."""
    whole = int.from_bytes(pack(state), "big")
    for wrong in (sum(1 << bit for bit in bits), ((1 << 32) - 1) << burst & (1 << SIZE * 8) - 1):
        assert unpack((whole ^ wrong).to_bytes(SIZE, "big")) is None


@settings(deadline=None)
@given(states, st.integers(0, SIZE - 1))
def test_truncated_record_is_no_state(state: State, length: int) -> None:
    """Any beginning of a record of any state is noticed."""
    assert unpack(pack(state)[:length]) is None


@settings(deadline=None)
@given(states, states, st.integers(1, SIZE - 1))
def test_two_records_mixed_are_no_third_one(old: State, new: State, seam: int) -> None:
    """A record that was half overwritten is the old one, the new one, or none."""
    assert unpack(pack(new)[:seam] + pack(old)[seam:]) in {old, new, None}


@settings(deadline=None)
@given(st.binary(max_size=2 * SIZE))
def test_only_packed_states_are_unpacked(data: bytes) -> None:
    """Bytes that are a state are exactly the ones that packing it gives."""
    state = unpack(data)
    assert state is None or pack(state) == data
