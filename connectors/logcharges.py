"""What a log says was spent, added up again from its entries and held against the caps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.tlog import LogError


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing wrong with a log.

    Attributes:
        code: Stable; ``connectors.logverify`` lists them.
        n: The entry at which it shows; None where it concerns the whole.
        detail: What is wrong, in words.
    """

    code: str
    n: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Caps:
    """What an agreement may spend, in nano-units of rho.

    Attributes:
        period_rho_nano: In one period, all parties together.
        lifetime_rho_nano: In all periods together.
        shares: What each party may spend in one period; a party that is not named may spend nothing.
    """

    period_rho_nano: int
    lifetime_rho_nano: int
    shares: Mapping[str, int]

    @classmethod
    def from_json(cls, value: Any) -> Caps:
        """Read ``{"period_rho_nano", "lifetime_rho_nano", "shares": {party: rho_nano}}``.

        Raises:
            LogError: ``caps_malformed``.
        """
        shares = value.get("shares") if isinstance(value, Mapping) else None
        if not isinstance(shares, Mapping) or not all(map(_is_amount, shares.values())):
            raise LogError("caps_malformed", "caps need shares, a whole number of nano-rho for each party")
        period, lifetime = value.get("period_rho_nano"), value.get("lifetime_rho_nano")
        if not _is_amount(period) or not _is_amount(lifetime):
            raise LogError("caps_malformed", "caps need period_rho_nano and lifetime_rho_nano, whole numbers")
        return cls(period, lifetime, dict(shares))


@dataclass(slots=True)
class Spent:
    """What one agreement has spent, over all its versions, in nano-units of rho.

    Attributes:
        lifetime: In all.
        periods: By period.
        parties: By period and party.
        delta_e18: Selection delta in all, in units of 1e-18.
    """

    lifetime: int = 0
    periods: dict[int, int] = field(default_factory=dict)
    parties: dict[tuple[int, str], int] = field(default_factory=dict)
    delta_e18: int = 0


class ChargeCheck:
    """Takes a log's entries in order; yields what is wrong with its charges and releases."""

    def __init__(self, caps: Mapping[str, Caps]) -> None:
        """Begin.

        Args:
            caps: By agreement id: known from elsewhere, they override what the log itself records. They hold
                for its persons and, apart, for each of its record datasets, which have ledgers of their own.
        """
        self.spent: dict[str, Spent] = {}
        self.unmatched_releases = 0
        self._pinned_caps = caps
        self._recorded_caps: dict[str, Caps] = {}
        self._charged: set[str] = set()
        self._released: set[str] = set()
        self._release_ids: set[str] = set()
        self._overspent: set[tuple[object, ...]] = set()

    def take(self, n: int, entry: Mapping[str, Any], *, all_seen: bool) -> Iterator[Failure]:
        """Take entry ``n``.

        Args:
            n: Its number.
            entry: Its contents.
            all_seen: Whether the contents of every earlier entry were taken; if not, the charge of a release
                may be among those that were not.
        """
        match entry.get("kind"):
            case "registered":
                yield from self._registered(n, entry)
            case "charged":
                yield from self._charge(n, entry)
            case "released":
                yield from self._release(n, entry, all_seen=all_seen)

    def _registered(self, n: int, entry: Mapping[str, Any]) -> Iterator[Failure]:
        digest, recorded = _at(entry, "agreement", "digest"), _at(entry, "result", "caps")
        if not isinstance(digest, str) or recorded is None:
            return  # what charges against it will need, they will miss
        try:
            caps = Caps.from_json(recorded)
        except LogError as error:
            yield Failure(error.code, n, error.detail)
            return
        if self._recorded_caps.setdefault(digest, caps) != caps:
            yield Failure("caps_changed", n, "the same agreement digest was recorded before with other caps")

    def _charge(self, n: int, entry: Mapping[str, Any]) -> Iterator[Failure]:
        agreement, digest, party, intent = (
            _at(entry, *path)
            for path in (
                ("agreement", "id"),
                ("agreement", "digest"),
                ("caller", "party"),
                ("charge", "intent"),
            )
        )
        period, rho, delta = (_at(entry, "charge", name) for name in ("period", "rho_nano", "delta_e18"))
        if not all(isinstance(text, str) and text for text in (agreement, digest, party, intent)) or not all(
            map(_is_amount, (period, rho, delta))
        ):
            yield Failure("charge_malformed", n, "a charge needs agreement, party, intent, period, rho and delta")
            return
        if intent in self._charged:
            yield Failure("charged_twice", n, f"intent {intent} was charged before")
        self._charged.add(intent)
        unit = _at(entry, "charge", "unit")
        ledger = agreement if unit in (None, "person") else f"{agreement} {unit}"
        spent = self.spent.setdefault(ledger, Spent())
        if spent.periods and period < max(spent.periods):
            yield Failure("period_went_back", n, f"period {period} of {agreement} was over before this charge")
        spent.lifetime += rho
        spent.delta_e18 += delta
        spent.periods[period] = spent.periods.get(period, 0) + rho
        spent.parties[period, party] = spent.parties.get((period, party), 0) + rho
        caps = self._pinned_caps.get(agreement) or self._recorded_caps.get(digest)
        if caps is None:
            yield from self._once("caps_unknown", n, f"no caps of {agreement} ({digest}) are known", digest)
            return
        yield from self._compare(n, ledger, period, party, caps)

    def _compare(self, n: int, agreement: str, period: int, party: str, caps: Caps) -> Iterator[Failure]:
        spent = self.spent[agreement]
        share = caps.shares.get(party, 0)
        if spent.lifetime > caps.lifetime_rho_nano:
            said = f"{agreement} has spent {spent.lifetime} of {caps.lifetime_rho_nano} nano-rho in its lifetime"
            yield from self._once("overspent_lifetime", n, said, agreement)
        if spent.periods[period] > caps.period_rho_nano:
            used = spent.periods[period]
            said = f"{agreement} has spent {used} of {caps.period_rho_nano} nano-rho in period {period}"
            yield from self._once("overspent_period", n, said, agreement, period)
        if spent.parties[period, party] > share:
            used = spent.parties[period, party]
            said = f"{party} has spent {used} of its {share} nano-rho of {agreement} in period {period}"
            yield from self._once("overspent_share", n, said, agreement, period, party)

    def _release(self, n: int, entry: Mapping[str, Any], *, all_seen: bool) -> Iterator[Failure]:
        release, intent = _at(entry, "result", "release"), _at(entry, "result", "intent")
        if not isinstance(release, str) or not isinstance(intent, str):
            yield Failure("release_malformed", n, "a release needs its id and its intent")
            return
        if intent not in self._charged:
            if all_seen:
                yield Failure("release_without_charge", n, f"release {release} was not charged before")
            else:
                self.unmatched_releases += 1
        if intent in self._released or release in self._release_ids:
            yield Failure("released_twice", n, f"release {release} of intent {intent} is not the first")
        self._released.add(intent)
        self._release_ids.add(release)

    def _once(self, code: str, n: int, detail: str, *scope: object) -> Iterator[Failure]:
        """Tell at which entry a cap was passed, and not again at each one after."""
        if (code, *scope) not in self._overspent:
            self._overspent.add((code, *scope))
            yield Failure(code, n, detail)


def _at(value: Any, *path: str) -> Any:
    """Return what stands at a path of keys, None where a step is missing."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _is_amount(value: Any) -> bool:
    return type(value) is int and value >= 0
