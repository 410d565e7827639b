from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.privacy.search import smallest


@given(st.integers(1, 300), st.integers(-10, 400), st.integers(1, 300))
def test_it_finds_the_boundary_from_any_guess(boundary, guess, most):
    found = smallest(lambda number: number >= boundary, guess, most)
    assert found == (boundary if boundary <= most else None)


def test_a_near_guess_takes_few_trials():
    tried = []

    def fits(number):
        tried.append(number)
        return number >= 10**15 + 1

    assert smallest(fits, 10**15, 10**18) == 10**15 + 1
    assert len(tried) <= 3
