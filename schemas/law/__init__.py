"""Law as data: a table of gateways, and rules over an agreement. A check for people to read, never advice."""
