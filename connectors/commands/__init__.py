"""The commands of ``concordat`` that need no broker on this machine; each module registers its own."""
