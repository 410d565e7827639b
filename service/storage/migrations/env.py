"""Alembic's entry: runs the migrations on the connection that ``Database.migrate`` hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from service.storage import tables  # noqa: F401 - registers the tables for autogenerate

context.configure(connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata)
with context.begin_transaction():
    context.run_migrations()
