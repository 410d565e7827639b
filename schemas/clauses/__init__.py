"""The clauses of a data-sharing agreement, a file for each part of the document; ``schemas.agreement`` is the whole."""
