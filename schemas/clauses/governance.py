"""What the parties owe each other and the people in the data: the rest of the ICO data sharing code's contents.

These clauses are read by people; ``concordat agreement check`` says which are missing. The broker acts on
``obligations.grace`` alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from schemas.clauses.said import said
from schemas.model import Strict
from schemas.names import IsoDate, IsoDuration, Text


class Obligations(Strict):
    """What the parties owe each other beside the data."""

    review_log_every: Annotated[IsoDuration | None, said("How often the IG leads sign the log off.", "P1M")] = None
    publish: Annotated[
        Literal["allowed", "needs-approval", "forbidden"], said("Whether a recipient may publish a release.", "allowed")
    ] = "needs-approval"
    breach_notice: Annotated[Text | None, said("How soon a party tells the others of a breach.", "PT24H")] = None
    grace: Annotated[
        IsoDuration | None,
        said("How long after the end, or a party's withdrawal, its data is kept before it is purged.", "P30D"),
    ] = None
    notice: Annotated[IsoDuration | None, said("How long before it leaves a party tells the others.", "P3M")] = None


class Dpia(Strict):
    """The data protection impact assessment; further keys are the parties' own."""

    model_config = ConfigDict(extra="allow")

    reference: Annotated[Text | None, said("Its reference.", "DPIA-2026-014")] = None
    done: Annotated[IsoDate | None, said("When it was completed.", "2026-02-16")] = None
    review: Annotated[IsoDate | None, said("When it is reviewed next.", "2027-02-16")] = None
    by: Annotated[Text | None, said("Who holds it.", "as-opcc")] = None
    residual_risk: Annotated[
        Text | None, said("The risk that remains, and who accepted it.", "Low; accepted by each SIRO.")
    ] = None


class InformationGovernance(Strict):
    """How the information is looked after; further keys are the parties' own."""

    model_config = ConfigDict(extra="allow")

    accuracy: Annotated[
        Text | None, said("How errors are found and mended.", "A push that replaces an extract corrects it.")
    ] = None
    retention: Annotated[
        Text | None, said("How long, and how it is destroyed.", "As each dataset's keep; purged with a receipt.")
    ] = None
    security: Annotated[
        Text | None, said("Measures that protect it.", "Keys pinned at enrolment; every access in a log.")
    ] = None
    breach: Annotated[
        Text | None,
        said("What happens on a breach, and who tells the ICO.", "The supplier tells it within 72 hours."),
    ] = None
    onward_sharing: Annotated[
        Text | None, said("Whether recipients may pass anything on.", "Releases only, as obligations.publish says.")
    ] = None
    reidentification: Annotated[
        Text | None, said("That nobody tries it.", "Nobody tries to find out who a pseudonym is (DPA 2018 s.171).")
    ] = None


class Legal(Strict):
    """Statements that the law or the ICO's code wants in the document; further keys are the parties' own."""

    model_config = ConfigDict(extra="allow")

    dpia: Annotated[
        Dpia | Text | None, said("The impact assessment.", {"reference": "DPIA-2026-014", "done": "2026-02-16"})
    ] = None
    apd: Annotated[
        Text | None,
        said("Where the appropriate policy documents are (DPA 2018 Schedule 1 part 4).", "Each controller keeps one."),
    ] = None
    transparency: Annotated[
        Text | None, said("How people are told.", "Each controller's privacy notice names this agreement.")
    ] = None
    rights_contact: Annotated[
        Text | None, said("Whom people turn to for their rights.", "The DPO of the agency that holds the record.")
    ] = None
    rights: Annotated[
        Text | None, said("How each right is met.", "An objection is an erasure by pseudonym, with a receipt.")
    ] = None
    conditions: Annotated[
        dict[str, Text],
        said("Statements that a gateway's conditions ask for, by name.", {"confidentiality": "Noised totals alone."}),
    ] = Field(default_factory=dict)
    information_governance: Annotated[
        InformationGovernance | None, said("How the information is looked after.", {"security": "Pinned keys."})
    ] = None
    review: Annotated[Text | None, said("How the agreement is reviewed.", "By the data group, each March.")] = None
    termination: Annotated[
        Text | None, said("How it ends.", "On a supplier's signed confirmation; purged after grace.")
    ] = None
    signatories: Annotated[Text | None, said("Who signs.", "The senior responsible officer of each party.")] = None
