import json

import pytest

from benchmarks import clauses
from service.policy.coherence import findings
from service.policy.decide import decide


@pytest.fixture(scope="module", params=clauses.LAYOUTS, ids=lambda layout: layout.name)
def laid(request):
    """Return a layout with its agreement and artefacts."""
    return request.param, *request.param.agreement()


def test_each_layout_has_10_000_grants_that_fit_their_artefacts(laid):
    _, agreement, library = laid
    assert len(agreement.grants) == 10_000
    assert findings(agreement, library) == []


def test_in_the_crowded_layout_no_two_grants_say_the_same():
    agreement, _ = clauses.ONE.agreement()
    assert len({grant.model_dump_json() for grant in agreement.grants}) == 10_000
    assert len({(grant.to, grant.for_, grant.dataset) for grant in agreement.grants}) == 1


@pytest.mark.parametrize("allowed", [True, False])
def test_questions_are_decided_as_they_were_made_to_be(laid, allowed):
    layout, agreement, library = laid
    found = [
        decide(agreement, library, party, asked).allowed for party, asked in layout.questions(allowed=allowed, count=20)
    ]
    assert found == [allowed] * 20


def test_a_cedar_policy_holds_the_columns_levels_and_scope_of_its_grant():
    agreement, _ = clauses.ONE.agreement()
    first = clauses.as_cedar(agreement).splitlines()[0]
    grant = agreement.grants[0]
    assert json.dumps(grant.rows["lad"]) in first
    assert all(f'"{name}:{level}"' in first for name, levels in grant.group_by.items() for level in levels)
