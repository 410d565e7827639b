"""The artefacts that an agreement pins: dataset schemas, code lists, hierarchies and the gateway table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas import strict_json, strict_yaml
from schemas.agreement import Agreement
from schemas.canonical import canonical, digest
from schemas.clauses.datasets import Dataset
from schemas.errors import DocumentError
from schemas.hierarchy import CodeList, Hierarchy
from schemas.law.gateways import Gateways
from schemas.model import Strict, read
from schemas.table_schema import Column, TableSchema

GATEWAYS = "gateways/v1"
_HERE = Path(__file__).parent
IMPORTABLE: dict[str, type[Strict]] = {"concordat:codelist": CodeList, "concordat:hierarchy": Hierarchy}
"""What may be imported, by the key that names it. Schemas and gateway tables ship with what executes them."""
_NAME_KEYS = ("concordat:schema", "concordat:codelist", "concordat:hierarchy", "concordat:gateways")


@dataclass(frozen=True, slots=True)
class Artefact:
    """One pinned file: its name, its JSON value and the digest of its canonical form."""

    name: str
    value: Any
    digest: str


def artefact(value: Any) -> Artefact:
    """Name and digest a JSON value by the ``concordat:`` key that names it.

    Raises:
        DocumentError: ``not_an_artefact``.
    """
    if isinstance(value, dict):
        for key in _NAME_KEYS:
            if isinstance(value.get(key), str):
                return Artefact(value[key], value, digest(value))
    raise DocumentError("not_an_artefact", f"the file has none of the keys {', '.join(_NAME_KEYS)}")


def load(folder: Path = _HERE) -> dict[str, Artefact]:
    """Read every artefact below ``folder``: ``datasets``, ``codelists``, ``hierarchies``, ``gateways.*.yaml``.

    Raises:
        DocumentError: a file is malformed, or two files bear one name.
    """
    found: dict[str, Artefact] = {}
    files = [
        path for part in ("datasets", "codelists", "hierarchies") for path in sorted((folder / part).glob("*.json"))
    ]
    for path in [*files, *sorted(folder.glob("gateways.*.yaml"))]:
        reader = strict_yaml.loads if path.suffix == ".yaml" else strict_json.loads
        made = artefact(reader(path.read_bytes()))
        if made.name in found:
            raise DocumentError("duplicate_artefact", f"two files bear the name {made.name}", path.name)
        found[made.name] = made
    return found


class Library:
    """The artefacts of one agreement, read into their models. Immutable."""

    def __init__(self, artefacts: Mapping[str, Artefact]) -> None:
        """Keep the artefacts; models are made when first asked for."""
        self._artefacts = dict(artefacts)
        self._made: dict[tuple[type, str], Any] = {}
        self._bound: dict[tuple[str, bytes], TableSchema] = {}
        self._pairs: dict[str, dict[str, tuple[str, str]]] = {}
        self._words: frozenset[str] | None = None

    def __contains__(self, name: str) -> bool:
        """Whether there is an artefact of this name."""
        return name in self._artefacts

    def _read(self, model: type, name: str) -> Any:
        made = self._made.get((model, name))
        if made is None:
            if name not in self._artefacts:
                raise DocumentError("unknown_artefact", f"there is no artefact {name}", f"pins/{name}")
            made = self._made[model, name] = read(model, self._artefacts[name].value)
        return made

    def schema(self, name: str) -> TableSchema:
        """Return a dataset schema, such as ``police-violence/v1``."""
        made: TableSchema = self._read(TableSchema, name)
        return made

    def codelist(self, name: str) -> CodeList:
        """Return a code list, such as ``lad-2025``."""
        made: CodeList = self._read(CodeList, name)
        return made

    def hierarchy(self, name: str) -> Hierarchy:
        """Return a hierarchy, such as ``age-sna``."""
        made: Hierarchy = self._read(Hierarchy, name)
        return made

    def gateways(self) -> Gateways:
        """Return the table of legal gateways."""
        made: Gateways = self._read(Gateways, GATEWAYS)
        return made

    def coarser(self, hierarchy: str, codes: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Return each code with the one that a hierarchy turns it into; pairs are shared by all who ask for them."""
        held = self._pairs.setdefault(hierarchy, {})
        mapped = self.hierarchy(hierarchy).map
        return tuple(held.setdefault(code, (code, mapped.get(code, "unknown"))) for code in codes)

    def digest(self, name: str) -> str:
        """Return an artefact's digest."""
        if name not in self._artefacts:
            raise DocumentError("unknown_artefact", f"there is no artefact {name}", f"pins/{name}")
        return self._artefacts[name].digest

    @property
    def words(self) -> frozenset[str]:
        """Every field, level, code and key that these artefacts know; what is none of them was made up by someone."""
        if self._words is None:
            found: set[str] = {"day", "month", "quarter", "year", "as-is"}
            for made in self._artefacts.values():
                if "concordat:schema" in made.value:
                    for column in self.schema(made.name).fields:
                        found |= {column.name, *column.levels, *(column.constraints.enum or ())}
                elif "concordat:hierarchy" in made.value:
                    found.update(self.hierarchy(made.name).keys)
                elif "concordat:codelist" in made.value:
                    found.update(item.code for item in self.codelist(made.name).codes)
            self._words = frozenset(found)
        return self._words

    def bound(self, dataset: Dataset) -> TableSchema:
        """Return a dataset's schema with the code lists and levels that its agreement binds to columns.

        Raises:
            DocumentError: ``unknown_artefact``; or ``bad_binding`` where a column cannot take what is bound to it.
        """
        key = (dataset.schema_, canonical({"codes": dataset.codes, "levels": dataset.levels}))
        made = self._bound.get(key)
        if made is None:
            made = self._bound[key] = self._bind(self.schema(dataset.schema_), dataset)
        return made

    def _bind(self, schema: TableSchema, dataset: Dataset) -> TableSchema:
        for name in (*dataset.codes, *dataset.levels):
            if all(column.name != name for column in schema.fields):
                raise DocumentError("bad_binding", f"{dataset.schema_} has no column {name}")
        if not dataset.codes and not dataset.levels:
            return schema
        fields = tuple(self._bind_column(column, dataset) for column in schema.fields)
        return schema.model_copy(update={"fields": fields})

    def _bind_column(self, column: Column, dataset: Dataset) -> Column:
        changes: dict[str, Any] = {}
        if column.name in dataset.codes:
            if column.kind != "code" or column.constraints.enum is not None:
                raise DocumentError("bad_binding", f"{column.name} is no open column of codes")
            listed = self.codelist(dataset.codes[column.name])
            codes = tuple(item.code for item in listed.codes)
            changes = {"codes": listed.name, "constraints": column.constraints.model_copy(update={"enum": codes})}
        added = dataset.levels.get(column.name, {})
        for level, hierarchy in added.items():
            if column.kind not in ("code", "integer") or level in column.all_levels:
                raise DocumentError("bad_binding", f"{column.name} takes no level {level}")
            if (self.hierarchy(hierarchy).kind == "bands") != (column.kind == "integer"):
                raise DocumentError("bad_binding", f"{hierarchy} is no hierarchy for {column.name}")
        if added:
            changes["levels"] = column.levels | added
        return column.model_copy(update=changes) if changes else column

    def required(self, agreement: Agreement) -> frozenset[str]:
        """Return the names of all the artefacts that an agreement must pin."""
        used = {GATEWAYS, *agreement.artefacts}
        for dataset in agreement.datasets.values():
            used |= self.schema(dataset.schema_).artefacts
        return frozenset(used)


def importable(made: Artefact) -> str:
    """Return what an artefact is that may be imported: ``codelist`` or ``hierarchy``.

    Raises:
        DocumentError: ``not_importable``: it is neither.
        InvalidDocument: it is one with something wrong in it.
    """
    for key, model in IMPORTABLE.items():
        if key in made.value:
            read(model, made.value)
            return key.removeprefix("concordat:")
    raise DocumentError("not_importable", "only code lists and hierarchies are imported", made.name)


def load_imported(folder: Path) -> dict[str, Artefact]:
    """Read the code lists and hierarchies in a folder's ``*.json``, as ``concordat codelist import --out`` writes them.

    Raises:
        DocumentError: ``not_importable`` for another artefact, ``duplicate_artefact`` where a name stands twice or
            ships with other content, or what is wrong with a file.
    """
    shipped = load()
    found: dict[str, Artefact] = {}
    for path in sorted(folder.glob("*.json")):
        made = artefact(strict_json.loads(path.read_bytes()))
        importable(made)
        held = found.get(made.name) or shipped.get(made.name)
        if held is not None and held.digest != made.digest:
            raise DocumentError("duplicate_artefact", f"another artefact bears the name {made.name}", path.name)
        found[made.name] = made
    return found
