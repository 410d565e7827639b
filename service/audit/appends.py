"""Appending entries that stand alone: those that wait at one moment share one durable transaction."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from service.audit.entry import Entry
from service.audit.ports import Store


@dataclass(eq=False, slots=True)
class _Waiting:
    entry: Entry
    failure: BaseException | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class Appends:
    """Appends entries in groups; each caller goes on only once its own entry is durable.

    Whoever comes first writes for all that wait (group commit), so many callers pay for one sync of the disk.
    """

    store: Store
    _waiting: list[_Waiting] = field(default_factory=list)
    _writer: threading.Lock = field(default_factory=threading.Lock)

    def append(self, entry: Entry) -> None:
        """Append an entry and return once it is durable.

        Raises:
            Exception: what kept the group from being written; then none of its entries was.
        """
        mine = _Waiting(entry)
        self._waiting.append(mine)  # atomic; the writer takes a prefix of the list
        with self._writer:
            if not mine.done:
                self._write()
        if mine.failure is not None:
            raise mine.failure

    def _write(self) -> None:
        group = self._waiting[:]
        failure: BaseException | None = None
        try:
            with self.store.write() as tx:
                tx.log.append_all([item.entry for item in group])
        except BaseException as error:  # noqa: BLE001 - handed to each caller of the group
            failure = error
        del self._waiting[: len(group)]
        for item in group:
            item.failure = failure
            item.done = True
