import pytest

from tests.unit.audit.simulator import LogSimulator


@pytest.fixture
def log() -> LogSimulator:
    """A registered agreement, a sign-in, two answers, a refusal: eight entries."""
    log = LogSimulator()
    log.register()
    log.append("signed-in")
    log.answer("intent-1", 300)
    log.append("refused", reason=None)
    log.answer("intent-2", 200, party="bristol")
    log.append("read")
    return log
