"""The boundary of a monotone rule over whole numbers, found from a near guess in few trials."""

from __future__ import annotations

from collections.abc import Callable


def smallest(fits: Callable[[int], bool], guess: int, most: int) -> int | None:
    """Return the smallest whole number from 1 to ``most`` that fits; None where none does.

    Steps that double lead away from the guess until the boundary lies between two trials; bisection finds it.
    Where rounding makes the rule waver, the number returned fits all the same.

    Args:
        fits: False up to the boundary and true from there on.
        guess: Where to begin; the nearer, the fewer trials.
        most: The largest number allowed, which is 1 or more.
    """
    high = min(max(guess, 1), most)
    low, step = 0, 1
    if fits(high):
        while (lower := high - step) > 0 and fits(lower):
            high, step = lower, step * 2
        low = max(lower, 0)
    else:
        while True:
            if high == most:
                return None
            low, high, step = high, min(high + step, most), step * 2
            if fits(high):
                break
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle
    return high
