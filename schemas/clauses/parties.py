"""Who the parties are, and who answers for each of them."""

from __future__ import annotations

from typing import Annotated, Literal

from schemas.clauses.said import said
from schemas.model import Strict
from schemas.names import Slug, Text, Thumbprint

PartyKind = Literal[
    "police", "health", "ambulance", "social-care", "local-authority", "education", "youth-justice", "youth-custody",
    "prison", "probation", "fire", "local-policing-body", "partnership", "processor", "other",
]  # fmt: skip

Capacity = Literal[
    "specified-authority", "local-policing-body", "educational-authority", "prison-authority",
    "youth-custody-authority", "relevant-authority", "none",
]  # fmt: skip


class Contact(Strict):
    """Somebody who answers for a party: a post rather than a name, so that the document outlives the holder."""

    post: Annotated[Text, said("The post.", "Data protection officer")]
    name: Annotated[Text | None, said("Who holds it now, where the parties want it in the document.", "A. Example")] = (
        None
    )
    contact: Annotated[Text | None, said("How to reach the post.", "dpo@agency.example")] = None


class Party(Strict):
    """A party. What it may do follows from grants and datasets, never from its kind or role alone."""

    id: Annotated[Slug, said("What the rest of the document calls it; as enrolled with the broker.", "as-police")]
    name: Annotated[Text, said("Its name in law.", "Avon and Somerset Police")]
    kind: Annotated[
        PartyKind,
        said("What kind of body it is, which decides what a legal gateway lets it disclose or receive.", "police"),
    ]
    role: Annotated[
        Literal["controller", "joint-controller", "processor", "recipient"],
        said("What it does under this agreement.", "controller"),
    ]
    key: Annotated[
        Thumbprint,
        said(
            "RFC 7638 thumbprint of its signing key, as pinned out of band when it was enrolled.",
            "BKl0RWHMu3bKVBWe4Dn6YpZNtzNxF-MzXYcJZZjz9Ew",
        ),
    ]
    controller_status: Annotated[
        Literal["independent-controller", "joint-controller", "processor"] | None,
        said("What it is under UK GDPR for the data it holds because of this agreement.", "independent-controller"),
    ] = None
    capacity: Annotated[
        Capacity | None,
        said(
            "The capacity in which a statute names it: an authority of the serious violence duty (PCSC Act 2022) or a "
            "relevant authority of the Crime and Disorder Act 1998. A partnership has none: name the duty holder.",
            "specified-authority",
        ),
    ] = None
    registration: Annotated[Text | None, said("Its entry in the ICO's register of fee payers.", "Z0000000")] = None
    dpo: Annotated[Contact | None, said("Its data protection officer.", {"post": "Data protection officer"})] = None
    caldicott_guardian: Annotated[
        Contact | None,
        said("Its Caldicott Guardian; a health or social-care party has one.", {"post": "Caldicott Guardian"}),
    ] = None
    siro: Annotated[
        Contact | None,
        said("Its senior information risk owner.", {"post": "Senior information risk owner"}),
    ] = None
    signatory: Annotated[
        Contact | None, said("Who signs for it with its key.", {"post": "Assistant Chief Constable"})
    ] = None
