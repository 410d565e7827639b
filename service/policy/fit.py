"""Whether a grant fits the artefacts at hand: one that does not covers nothing, rather than something else."""

from __future__ import annotations

from schemas.table_schema import TableSchema
from service.policy.asked import Asked
from service.policy.coherence import of_grant
from service.policy.failures import Failures
from service.policy.index import Candidate


def unfit(asked: Asked, candidate: Candidate, schema: TableSchema) -> Failures:
    """Return what of a grant its dataset's schema does not know; a registered agreement's grants have nothing such.

    A forced scope on a column that is not there would otherwise force nothing.
    """
    failures = Failures(candidate.path)
    grant = candidate.grant
    if asked.agreement.datasets[grant.dataset].privacy_unit != schema.privacy_unit:
        failures.forbid_by(f"datasets/{grant.dataset}/privacy_unit", f"the schema protects each {schema.privacy_unit}")
    for found in of_grant(candidate.path, asked.agreement, grant, schema):
        failures.forbid_by(found.column, f"the grant does not fit its artefacts: {found.detail}")
    return failures
