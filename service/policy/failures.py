"""What keeps one grant from covering a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.policy.decision import Reason


@dataclass
class Failures:
    """The reasons found so far, each below the clause of the grant at ``path``."""

    path: str
    reasons: list[Reason] = field(default_factory=list)
    forbidden: bool = False

    @classmethod
    def of(cls, path: str, misfits: Sequence[Reason]) -> Failures:
        """Begin with what of the grant does not fit its artefacts, which forbids whatever is asked."""
        return cls(path, list(misfits), forbidden=bool(misfits))

    def gap(self, clause: str, words: str) -> None:
        """Note that the grant does not speak of this."""
        self.reasons.append(Reason(f"{self.path}/{clause}", words))

    def forbid(self, clause: str, words: str) -> None:
        """Note that the grant says otherwise."""
        self.forbidden = True
        self.gap(clause, words)

    def forbid_by(self, clause: str, words: str) -> None:
        """Note that a clause elsewhere in the agreement says otherwise."""
        self.forbidden = True
        self.reasons.append(Reason(clause, words))

    def refuse(self, gap: bool, clause: str, words: str) -> None:  # noqa: FBT001 - a callback
        """Note either."""
        (self.gap if gap else self.forbid)(clause, words)

    def take(self, other: Failures) -> None:
        """Add what keeps a linked dataset's grant from covering its part."""
        self.reasons += other.reasons
        self.forbidden = self.forbidden or other.forbidden
