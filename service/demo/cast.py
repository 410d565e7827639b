"""Who acts: each party's people and machines, with a client, keys and a memory of their own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from connectors.client import Client
from connectors.keys import load_key
from connectors.sign_in import ClientKey


class Cast:
    """The parties of the agreement and their clients, which sign in by their keys."""

    def __init__(self, clients: dict[str, Any], out: Path, closing: ExitStack) -> None:
        """Begin; nobody has signed in yet.

        Args:
            clients: What ``clients.json`` says.
            out: The demo's folder; below it each party remembers the broker's keys and checkpoints.
            closing: Closes the connections at the end.
        """
        self._listed = clients
        self._memory = out / "memory"
        self._closing = closing
        self._known: dict[tuple[str, str], Client] = {}
        self.agreement: str = clients["agreement"]["id"]
        self.address: str = clients["base_url"]

    def client(self, party: str, role: str) -> Client:
        """Return a party's client, signed in for one role alone."""
        if (party, role) not in self._known:
            listed = self._listed["parties"][party]
            credential = ClientKey(listed["client_id"], load_key(Path(listed["key_file"])), role)
            made = Client(self.address, credential, self._memory / party, issuer=self._listed["issuer"])
            self._known[party, role] = self._closing.enter_context(made)
        return self._known[party, role]
