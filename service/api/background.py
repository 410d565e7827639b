"""What a serving broker does by itself: jobs that run for ever, whatever goes wrong in one of their turns."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import anyio
from anyio.abc import TaskGroup
from fastapi.concurrency import run_in_threadpool

from service.api.broker import Broker
from service.errors import ConcordatError, EngineFailed

QUIET = 60.0
"""Seconds for which a job that fails again and again says so once."""
LATE = 60.0
"""Seconds without a checkpoint after which a broker is not ready."""
ABANDONED_AFTER = timedelta(minutes=5)
"""An open question that is this much older than the engine may take has nobody who answers it any more."""

_LOG = logging.getLogger(__name__)
Steps = Sequence[tuple[str, Callable[[], object]]]
"""What one turn of a job does, in order, each by its name."""


@dataclass(slots=True)
class Health:
    """How the job that signs checkpoints fares; seconds are those of a clock that only goes forward.

    Attributes:
        clock: That clock.
        done: When a checkpoint was last signed, or found to cover the log.
    """

    clock: Callable[[], float] = time.monotonic
    done: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the checkpoint that is signed before the first request."""
        self.done = self.clock()

    def noted(self) -> None:
        """Note that the log has a checkpoint now."""
        self.done = self.clock()

    def check(self) -> None:
        """Check that checkpoints are signed.

        Raises:
            EngineFailed: ``checkpoints_failing``: for longer than ``LATE``.
        """
        if self.clock() - self.done > LATE:
            raise EngineFailed("no checkpoint could be signed for a minute: see the log", code="checkpoints_failing")


@dataclass(slots=True)
class Failures:
    """Says what goes wrong in a job, by its type alone, and of what repeats itself only from time to time."""

    what: str
    clock: Callable[[], float] = time.monotonic
    _said: float | None = field(default=None, init=False)

    def tell(self, error: Exception) -> None:
        """Log a failure. Our own errors quote nothing; of others' words nobody knows what they hold."""
        if self._said is None or self.clock() - self._said >= QUIET:
            words = error.detail if isinstance(error, ConcordatError) else type(error).__name__
            _LOG.error("%s failed, and is tried again: %s", self.what, words)
            self._said = self.clock()

    def over(self) -> None:
        """Note that it went well: the next failure is told at once."""
        self._said = None


def start(tasks: TaskGroup, broker: Broker, health: Health) -> None:
    """Start the jobs of a broker that serves; they end with the task group."""
    every = broker.settings.purge_every.total_seconds()
    checkpoints: Steps = [("checkpoint", partial(_checkpoint, broker, health))]
    run = partial(for_ever, pause=anyio.sleep)
    tasks.start_soon(partial(run, checkpoints, broker.settings.answer_time_step, at_once=False))
    tasks.start_soon(partial(run, [("retention", broker.retention.run)], every))
    tasks.start_soon(partial(run, [("purge", broker.purges.run)], every))
    tasks.start_soon(partial(run, leftovers(broker), every, at_once=False))


def leftovers(broker: Broker) -> Steps:
    """Return the steps that complete what failed or was left by a broker that is no more, and then free its rows."""
    age = timedelta(seconds=2 * broker.settings.engine_deadline) + ABANDONED_AFTER  # it may wait, and then run
    return [
        ("completing erasures", broker.erasures.recover),
        ("completing questions", partial(broker.completion.recover, age)),
        ("removing rows", broker.intake.vacuum_all),
    ]


async def for_ever(
    steps: Steps, every: float, *, pause: Callable[[float], Awaitable[None]], at_once: bool = True
) -> None:
    """Take turns for ever: no failure of a step keeps the next one, or the next turn, from being done.

    Args:
        steps: What to do.
        every: Seconds between two turns.
        pause: Waits for some seconds.
        at_once: Whether the first turn comes before the first pause.
    """
    failures = {name: Failures(name) for name, _ in steps}
    if not at_once:
        await pause(every)
    while True:
        for name, step in steps:
            try:
                await run_in_threadpool(step)
            except Exception as error:  # noqa: BLE001 - told by its type; the job goes on
                failures[name].tell(error)
            else:
                failures[name].over()
        await pause(every)


def _checkpoint(broker: Broker, health: Health) -> None:
    """Sign a checkpoint if the log has grown."""
    broker.log.checkpoint_now(broker.clock())
    health.noted()
