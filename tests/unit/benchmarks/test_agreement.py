from benchmarks import broker, data
from schemas import agreement as documents
from schemas import artefacts
from schemas.artefacts import Library
from schemas.request import parse
from service.policy.coherence import findings
from service.policy.decide import decide


def pinned():
    """Return the agreement with the pins that ``concordat dev`` puts in."""
    value = documents.load(broker.AGREEMENT.read_bytes())
    library = Library(artefacts.load())
    value["pins"] = {name: library.digest(name) for name in library.required(documents.parse(value))}
    return documents.parse(value), library


def test_the_agreement_fits_the_artefacts_that_ship():
    assert findings(*pinned()) == []


def test_the_question_is_allowed_and_has_480_public_cells():
    agreement, library = pinned()
    plan = decide(agreement, library, "recipient", parse(broker.question("1"))).plan
    assert plan is not None
    assert plan.cells == data.CELLS
    assert plan.per_person == data.PER_PERSON
