"""Close the ways around the triggers of 0002: replacing by another unique column, TRUNCATE, and a budget set back.

SQLite's ``INSERT OR REPLACE`` deletes every row that shares *any* unique column with the new one and asks no trigger
but the one on INSERT; PostgreSQL's TRUNCATE fires no row's trigger. An agreement's budget also rests on its anchor and
on the latest period that was charged.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UNIQUE = {
    "agreement_version": ("digest",),
    "release": ("intent",),
    "account": ("key",),
    "agreement": ("id",),
}
"""Columns whose value stays with its row; primary keys of append-only tables have such a trigger already."""
_NEVER_EMPTIED = (
    "log_node", "log_checkpoint", "log_content", "charge", "charge_source", "release", "agreement",
    "agreement_version", "agreement_signature", "agreement_completion", "artefact", "account", "signature_receipt",
    "party_withdrawal", "termination", "purge", "purge_receipt", "approval", "approval_verdict",
)  # fmt: skip
_MOVED = (
    "NEW.id <> OLD.id OR NEW.period_floor < OLD.period_floor OR (NEW.anchor <> OLD.anchor "
    "AND EXISTS (SELECT 1 FROM agreement_completion WHERE agreement = OLD.id))"
)
"""The anchor is fixed once a version was signed by all (``Registry.sign``)."""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _postgres()
    else:
        _sqlite()


def _postgres() -> None:
    for table in _NEVER_EMPTIED:
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION concordat_append_only()"
        )
    op.execute(
        "CREATE FUNCTION concordat_budget_stays() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {_MOVED} THEN RAISE EXCEPTION 'append-only: agreement'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER agreement_budget_stays BEFORE UPDATE ON agreement "
        "FOR EACH ROW EXECUTE FUNCTION concordat_budget_stays()"
    )
    op.execute(
        "CREATE TRIGGER agreement_no_delete BEFORE DELETE ON agreement "
        "FOR EACH ROW EXECUTE FUNCTION concordat_append_only()"
    )


def _sqlite() -> None:
    for table, columns in _UNIQUE.items():
        for column in columns:
            exists = f"EXISTS (SELECT 1 FROM {table} WHERE {column} = NEW.{column})"  # noqa: S608 - names of our own
            _refuse(f"{table}_no_replace_{column}", "INSERT", table, exists)
    _refuse("agreement_budget_stays", "UPDATE", "agreement", _MOVED)
    _refuse("agreement_no_delete", "DELETE", "agreement", "1")


def _refuse(name: str, action: str, table: str, when: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {action} ON {table} WHEN ({when}) "
        f"BEGIN SELECT RAISE(ABORT, 'append-only: {table}'); END"
    )


def downgrade() -> None:
    msg = "the log and the ledger are append-only; there is no way back"
    raise RuntimeError(msg)
