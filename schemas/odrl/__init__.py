"""An agreement as an ODRL 2.2 Agreement with DPV terms, in JSON-LD, and back.

A view of the document for catalogues and policy tools: what ODRL and DPV can say is said in their terms and read
back from there; what they cannot goes into the profile ``urn:concordat:odrl:v1#`` (``profile.ttl``). What parties
sign stays the canonical JSON of the document itself.
"""
