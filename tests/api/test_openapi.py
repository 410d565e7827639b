"""The description in the repository is what the app serves."""

from __future__ import annotations

from pathlib import Path

import yaml

from service.openapi import as_yaml, description

FILE = Path(__file__).resolve().parents[2] / "openapi.yaml"


def test_openapi_yaml_equals_what_the_app_serves(served):
    with served.http("as-opcc", "analyst") as http:
        assert http.get("/openapi.json").json() == description()
    assert FILE.read_text() == as_yaml(), "run `make openapi`"
    assert yaml.safe_load(FILE.read_text()) == description()


def test_every_call_of_the_design_is_described():
    paths = description()["paths"]
    agreement = "/v1/agreements/{agreement}"
    for path, methods in {
        "/oauth/token": ["post"],
        "/v1/keys": ["get"],
        "/v1/me": ["get"],
        "/v1/agreements": ["get", "post"],
        agreement: ["get"],
        f"{agreement}/versions/{{version}}": ["get"],
        f"{agreement}/versions/{{version}}/page": ["get"],
        f"{agreement}/versions/{{version}}/signatures": ["post"],
        f"{agreement}/versions/{{version}}/diff": ["get"],
        f"{agreement}/versions/{{version}}/replay": ["post"],
        f"{agreement}/suspension": ["post"],
        f"{agreement}/termination": ["post"],
        f"{agreement}/withdrawal": ["post", "delete"],
        f"{agreement}/purge": ["get"],
        f"{agreement}/datasets": ["get"],
        f"{agreement}/datasets/{{dataset}}": ["get"],
        f"{agreement}/datasets/{{dataset}}/extracts": ["get", "post"],
        f"{agreement}/datasets/{{dataset}}/extracts/{{extract}}": ["get", "delete"],
        f"{agreement}/aggregates": ["post"],
        f"{agreement}/aggregates/preview": ["post"],
        f"{agreement}/approvals": ["get"],
        f"{agreement}/approvals/{{approval}}": ["get", "post"],
        f"{agreement}/releases": ["get"],
        f"{agreement}/releases/{{release}}": ["get"],
        f"{agreement}/budget": ["get"],
        f"{agreement}/budget/statements": ["get"],
        f"{agreement}/quotas": ["get"],
        f"{agreement}/quotas/{{client}}": ["get", "put"],
        f"{agreement}/reservations": ["get", "post"],
        f"{agreement}/reservations/{{reservation}}": ["get", "delete"],
        f"{agreement}/simulate": ["post"],
        "/v1/audit/entries": ["get"],
        "/v1/audit/entries/{n}": ["get"],
        "/v1/audit/entries/{n}/proof": ["get"],
        "/v1/audit/checkpoint": ["get"],
        "/v1/audit/consistency": ["get"],
        "/healthz": ["get"],
        "/readyz": ["get"],
        "/metrics": ["get"],
    }.items():
        assert set(methods) <= set(paths[path]), path
