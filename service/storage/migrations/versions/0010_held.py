"""What is reserved on an account, the selection delta of a source, and an account for each client that asks.

Until now no charge had a selection delta. An analyst's account starts at what the client's questions were charged;
the questions know the client.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_CLIENTS = """
INSERT INTO account (key, rho_nano, delta_e18, held_nano, held_delta)
SELECT spent.key, spent.rho_nano, spent.delta_e18, 0, 0 FROM (
    SELECT charge.agreement || '|' || charge.unit || '|' || CAST(charge.period AS TEXT) || '|' || charge.party || '|'
            || intent.client AS key,
        CAST(sum(charge.rho_nano) AS BIGINT) AS rho_nano, CAST(sum(charge.delta_e18) AS BIGINT) AS delta_e18
    FROM charge JOIN intent ON intent.id = charge.intent
    GROUP BY charge.agreement, charge.unit, charge.period, charge.party, intent.client
) AS spent
"""


def upgrade() -> None:
    for name in ("held_nano", "held_delta"):
        op.execute(f"ALTER TABLE account ADD COLUMN {name} BIGINT NOT NULL DEFAULT 0 CHECK ({name} >= 0)")
    op.execute("ALTER TABLE charge_source ADD COLUMN delta_e18 BIGINT NOT NULL DEFAULT 0")
    op.execute(_CLIENTS)


def downgrade() -> None:
    msg = "an older broker would spend what is reserved, and no client's account would count it"
    raise RuntimeError(msg)
