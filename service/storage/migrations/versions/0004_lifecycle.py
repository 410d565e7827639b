"""Why a key was revoked, receipts of signatures, withdrawals of parties, confirmed terminations, and purges."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_WATCHED = ("party_withdrawal", "termination", "purge")
"""Tables that decide standing, beside those of revision 0003."""
_CONFIRMATION = ("party", "version", "digest", "jws", "thumbprint", "at")


def upgrade() -> None:
    op.add_column("party_key", sa.Column("revoked_for", sa.Text(), nullable=True))
    op.execute("CREATE UNIQUE INDEX party_key_pinned ON party_key (party) WHERE revoked_at IS NULL")
    _create("signature_receipt", ("agreement", "version", "party"), ("body",))
    _create("party_withdrawal", ("agreement", "party"), _CONFIRMATION[1:])
    _create("termination", ("agreement",), _CONFIRMATION)
    _create("purge", ("agreement", "party"), ("reason", "version", "digest", "begun_at"), ("done_at",))
    _create("purge_receipt", ("agreement", "party"), ("body",))
    _watch()


def _create(name: str, key: tuple[str, ...], needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    columns = [
        sa.Column(column, sa.Integer() if column == "version" else sa.Text(), nullable=column in optional)
        for column in (*key, *needed, *optional)
    ]
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key))


def _watch() -> None:
    """Renew the agreements' revision at every change of what decides standing, as revision 0003 does."""
    if op.get_bind().dialect.name == "postgresql":
        for table in _WATCHED:
            op.execute(
                f"CREATE TRIGGER {table}_revision AFTER INSERT OR UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION concordat_agreement_revision()"
            )
        return
    renew = "UPDATE agreement_revision SET name = lower(hex(randomblob(16))) WHERE id = 1;"
    for table in _WATCHED:
        for action in ("INSERT", "UPDATE", "DELETE"):
            name = f"{table}_revision_{action.lower()}"
            op.execute(f"CREATE TRIGGER {name} AFTER {action} ON {table} BEGIN {renew} END")


def downgrade() -> None:
    msg = "an older broker would not notice what was withdrawn or purged"
    raise RuntimeError(msg)
