"""What a log says was spent, added up again from its entries and held against the caps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeGuard, TypeVar

from connectors.tlog import LogError

_Key = TypeVar("_Key")
_PART = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18})?([eE]-[0-9]{1,3})?\Z")


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
class DeltaCaps:
    """What an agreement may spend of selection delta, in units of 1e-18; as ``Caps`` otherwise."""

    period: int
    lifetime: int
    shares: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Caps:
    """What an agreement may spend, in nano-units of rho.

    Attributes:
        period_rho_nano: In one period, all parties together.
        lifetime_rho_nano: In all periods together.
        shares: What each party may spend in one period; a party that is not named may spend nothing.
        delta: The same of selection delta; None where an older broker recorded none.
        analysts: Of some parties the part of their share that one client may spend in a period.
    """

    period_rho_nano: int
    lifetime_rho_nano: int
    shares: Mapping[str, int]
    delta: DeltaCaps | None = None
    analysts: Mapping[str, Fraction] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Any) -> Caps:
        """Read ``{"period_rho_nano", "lifetime_rho_nano", "shares": {party: rho_nano}}``.

        It may also have ``period_delta_e18``, ``lifetime_delta_e18`` and ``delta_shares``, all or none of them, and
        ``analysts``: by party a decimal from 0 to 1.

        Raises:
            LogError: ``caps_malformed``.
        """
        shares = _amounts(value, "shares")
        if shares is None:
            raise LogError("caps_malformed", "caps need shares, a whole number of nano-rho for each party")
        period, lifetime = value.get("period_rho_nano"), value.get("lifetime_rho_nano")
        if not _is_amount(period) or not _is_amount(lifetime):
            raise LogError("caps_malformed", "caps need period_rho_nano and lifetime_rho_nano, whole numbers")
        return cls(period, lifetime, shares, _delta_caps(value), _analysts(value))


def _delta_caps(value: Any) -> DeltaCaps | None:
    names = ("period_delta_e18", "lifetime_delta_e18", "delta_shares")
    if not any(name in value for name in names):
        return None
    shares = _amounts(value, "delta_shares")
    period, lifetime = value.get("period_delta_e18"), value.get("lifetime_delta_e18")
    if shares is None or not _is_amount(period) or not _is_amount(lifetime):
        raise LogError("caps_malformed", f"caps on delta are {', '.join(names)}, whole numbers of 1e-18")
    return DeltaCaps(period, lifetime, shares)


def _analysts(value: Mapping[str, Any]) -> dict[str, Fraction]:
    quotas = value.get("analysts", {})
    parts = {party: _part(quota) for party, quota in quotas.items()} if isinstance(quotas, Mapping) else {"": None}
    made = {party: quota for party, quota in parts.items() if quota is not None}
    if len(made) != len(parts):
        raise LogError("caps_malformed", "analysts are decimals from 0 to 1 by party")
    return made


def _amounts(value: Any, name: str) -> dict[str, int] | None:
    found = value.get(name) if isinstance(value, Mapping) else None
    return dict(found) if isinstance(found, Mapping) and all(map(_is_amount, found.values())) else None


def _part(value: Any) -> Fraction | None:
    """Return a decimal text from 0 to 1 as a number, None where it is none."""
    if not isinstance(value, str) or not _PART.match(value):
        return None
    found = Fraction(value)
    return found if found <= 1 else None


@dataclass(frozen=True, slots=True)
class _Charge:
    """A charge as its entry tells it."""

    agreement: str
    digest: str
    party: str
    client: str
    intent: str
    unit: str
    period: int
    rho: int
    delta: int

    @property
    def ledger(self) -> str:
        return self.agreement if self.unit == "person" else f"{self.agreement} {self.unit}"

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _Charge | None:
        """Read an entry's charge, None where something is missing."""
        paths = (("agreement", "id"), ("agreement", "digest"), ("caller", "party"), ("caller", "client"),
                 ("charge", "intent"))  # fmt: skip
        texts = [_at(entry, *path) for path in paths]
        amounts = [_at(entry, "charge", name) for name in ("period", "rho_nano", "delta_e18")]
        unit = _at(entry, "charge", "unit") or "person"
        if not all(isinstance(text, str) and text for text in (*texts, unit)) or not all(map(_is_amount, amounts)):
            return None
        agreement, digest, party, client, intent = texts
        period, rho, delta = amounts
        return cls(agreement, digest, party, client, intent, unit, period, rho, delta)


@dataclass(slots=True)
class Spent:
    """What one agreement has spent, over all its versions, in nano-units of rho.

    Attributes:
        lifetime: In all.
        periods: By period.
        parties: By period and party.
        clients: By period, party and client.
        delta_e18: Selection delta in all, in units of 1e-18.
        delta_periods: The same by period.
        delta_parties: The same by period and party.
        delta_clients: The same by period, party and client.
    """

    lifetime: int = 0
    periods: dict[int, int] = field(default_factory=dict)
    parties: dict[tuple[int, str], int] = field(default_factory=dict)
    clients: dict[tuple[int, str, str], int] = field(default_factory=dict)
    delta_e18: int = 0
    delta_periods: dict[int, int] = field(default_factory=dict)
    delta_parties: dict[tuple[int, str], int] = field(default_factory=dict)
    delta_clients: dict[tuple[int, str, str], int] = field(default_factory=dict)

    def add(self, made: _Charge) -> None:
        """Add a charge."""
        of_party, of_client = (made.period, made.party), (made.period, made.party, made.client)
        self.lifetime += made.rho
        _plus(self.periods, made.period, made.rho)
        _plus(self.parties, of_party, made.rho)
        _plus(self.clients, of_client, made.rho)
        self.delta_e18 += made.delta
        _plus(self.delta_periods, made.period, made.delta)
        _plus(self.delta_parties, of_party, made.delta)
        _plus(self.delta_clients, of_client, made.delta)


def _plus(sums: dict[_Key, int], key: _Key, amount: int) -> None:
    sums[key] = sums.get(key, 0) + amount


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
        self._quotas: dict[tuple[str, str, str], Fraction] = {}
        """By agreement, party and client, what the party's steward has set last."""

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
            case "quota-set":
                yield from self._quota(n, entry)
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

    def _quota(self, n: int, entry: Mapping[str, Any]) -> Iterator[Failure]:
        told = [_at(entry, "result", "quota", name) for name in ("party", "client")]
        agreement, share = _at(entry, "agreement", "id"), _part(_at(entry, "result", "quota", "share"))
        texts = (agreement, *told)
        if share is None or not all(isinstance(text, str) and text for text in texts):
            yield Failure("quota_malformed", n, "a quota needs its agreement, party, client and a part of the share")
        elif _at(entry, "caller", "party") != told[0]:
            yield Failure("quota_malformed", n, "a quota is set by a steward of the client's own party")
        else:
            self._quotas[agreement, told[0], told[1]] = share

    def _charge(self, n: int, entry: Mapping[str, Any]) -> Iterator[Failure]:
        made = _Charge.of(entry)
        if made is None:
            words = "a charge needs agreement, party, client, intent, period, rho and delta"
            yield Failure("charge_malformed", n, words)
            return
        if made.intent in self._charged:
            yield Failure("charged_twice", n, f"intent {made.intent} was charged before")
        self._charged.add(made.intent)
        spent = self.spent.setdefault(made.ledger, Spent())
        if spent.periods and made.period < max(spent.periods):
            words = f"period {made.period} of {made.agreement} was over before this charge"
            yield Failure("period_went_back", n, words)
        spent.add(made)
        caps = self._pinned_caps.get(made.agreement) or self._recorded_caps.get(made.digest)
        if caps is None:
            words = f"no caps of {made.agreement} ({made.digest}) are known"
            yield from self._once("caps_unknown", n, words, made.digest)
            return
        yield from self._compare(n, made, spent, caps)
        yield from self._compare_quota(n, made, spent, caps)
        yield from self._compare_delta(n, made, spent, caps.delta)

    def _compare(self, n: int, made: _Charge, spent: Spent, caps: Caps) -> Iterator[Failure]:
        agreement, period, party, share = made.ledger, made.period, made.party, caps.shares.get(made.party, 0)
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

    def _compare_quota(self, n: int, made: _Charge, spent: Spent, caps: Caps) -> Iterator[Failure]:
        """Hold what a client has spent against the lower of what the agreement and its party's steward let it."""
        of_share = self._of_share(made, caps)
        key = (made.period, made.party, made.client)
        parts = [int(caps.shares.get(made.party, 0) * of_share)]
        used = [spent.clients[key]]
        if caps.delta is not None:
            parts.append(int(caps.delta.shares.get(made.party, 0) * of_share))
            used.append(spent.delta_clients[key])
        if of_share < 1 and any(one > cap for one, cap in zip(used, parts, strict=True)):
            said = f"{made.client} of {made.party} has spent {used[0]} of {parts[0]} nano-rho in period {made.period}"
            yield from self._once("overspent_quota", n, said, made.ledger, *key)

    def _of_share(self, made: _Charge, caps: Caps) -> Fraction:
        agreed = caps.analysts.get(made.party, Fraction(1))
        return min(agreed, self._quotas.get((made.agreement, made.party, made.client), Fraction(1)))

    def _compare_delta(self, n: int, made: _Charge, spent: Spent, caps: DeltaCaps | None) -> Iterator[Failure]:
        if made.delta == 0:
            return
        if caps is None:
            words = f"no caps on delta of {made.agreement} ({made.digest}) are known"
            yield from self._once("caps_unknown", n, words, made.digest, "delta")
            return
        period, party = made.period, made.party
        for tier, used, cap in (
            ("lifetime", spent.delta_e18, caps.lifetime),
            (period, spent.delta_periods[period], caps.period),
            (party, spent.delta_parties[period, party], caps.shares.get(party, 0)),
        ):
            if used > cap:
                said = f"{made.ledger} has spent {used} of {cap} in 1e-18 of selection delta ({tier})"
                yield from self._once("overspent_delta", n, said, made.ledger, period, tier)

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


def _is_amount(value: Any) -> TypeGuard[int]:
    return type(value) is int and value >= 0
