"""Reservations: amounts set aside for a client's questions. What was asked for stays; what is left falls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TEXTS = ("id", "agreement", "party", "client", "unit", "purpose", "state", "created_at", "expires_at")
_AMOUNTS = ("rho_nano", "delta_e18", "left_nano", "left_delta")
_FIXED = ("id", "agreement", "version", "party", "client", "unit", "period", "purpose", "rho_nano", "delta_e18",
          "log_index", "created_at", "expires_at")  # fmt: skip
_MOVED = " OR ".join(
    [
        *(f"NEW.{name} <> OLD.{name}" for name in _FIXED),
        "coalesce(NEW.plan, '') <> coalesce(OLD.plan, '')",
        "NEW.left_nano > OLD.left_nano",
        "NEW.left_delta > OLD.left_delta",
        "OLD.state <> 'open'",
    ]
)
"""Only what is left may change, downwards, and the state, once."""


def upgrade() -> None:
    op.create_table(
        "reservation",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _AMOUNTS),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint("left_nano >= 0 AND left_delta >= 0", name="reservation_left"),
    )
    op.create_index("reservation_open", "reservation", ["agreement", "state", "expires_at"], unique=False)
    op.create_table(
        "reservation_source",
        sa.Column("reservation", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["reservation"], ["reservation.id"]),
        sa.PrimaryKeyConstraint("reservation", "source"),
    )
    op.create_index("ix_reservation_source_source", "reservation_source", ["source"], unique=False)
    postgres = op.get_bind().dialect.name == "postgresql"
    _refuse("reservation_stays", "UPDATE", "reservation", f"WHEN ({_MOVED})", postgres=postgres)
    _refuse("reservation_no_delete", "DELETE", "reservation", "", postgres=postgres)
    for action in ("UPDATE", "DELETE"):
        _refuse(f"reservation_source_no_{action.lower()}", action, "reservation_source", "", postgres=postgres)
    if postgres:
        for table in ("reservation", "reservation_source"):
            op.execute(
                f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION concordat_append_only()"
            )
        return
    for table, same in (
        ("reservation", "id = NEW.id"),
        ("reservation_source", "reservation = NEW.reservation AND source = NEW.source"),
    ):
        exists = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names of our own
        _refuse(f"{table}_no_replace", "INSERT", table, exists, postgres=False)


def _refuse(name: str, action: str, table: str, when: str, *, postgres: bool) -> None:
    if postgres:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {action} ON {table} "
            f"FOR EACH ROW {when} EXECUTE FUNCTION concordat_append_only()"
        )
    else:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {action} ON {table} {when} "
            f"BEGIN SELECT RAISE(ABORT, 'append-only: {table}'); END"
        )


def downgrade() -> None:
    msg = "an older broker would not know what is reserved"
    raise RuntimeError(msg)
