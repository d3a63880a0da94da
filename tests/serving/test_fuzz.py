"""Requests that nobody thought of, drawn from what openapi.json says: none leads to an unforeseen error."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from stages.serving import app
from tests.fixtures import graphs, requested, scans, served
from tests.fixtures.requested import Server

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    model = graphs.export(tmp_path_factory.mktemp("model"), graphs.describe(channels=("flair",)))
    with served.running(model, "--max-bytes", "100000") as address:
        yield Server(address)


@pytest.fixture(scope="module")
def scan(server: requested.Server) -> str:
    """The id of a scan that has its mask."""
    flair = scans.volume(5, seed=1)[0][2, ..., scans.FLAIR]
    key: str = server.done(server.send(requested.png(flair), "x.png")["id"])["id"]
    return key


DESCRIPTION = json.loads((Path(app.__file__).parent / "openapi.json").read_bytes())
OPERATIONS = [
    (method, path)
    for path, methods in DESCRIPTION["paths"].items()
    for method in methods
    if method != "parameters"
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_is_unforeseen(server: requested.Server, scan: str, method: str, path: str) -> None:
    schema = schemathesis.openapi.from_dict(DESCRIPTION)
    schema.config.base_url = server.address
    operation = schema[path][method.upper()]

    @given(case=operation.as_strategy())
    @settings(max_examples=12, derandomize=True, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        if "id" in case.path_parameters and method != "delete" and len(case.path_parameters["id"]) % 2:
            case.path_parameters["id"] = scan  # what is random is no scan, and is answered with 404
        case.call_and_validate(checks=CHECKS, headers={"accept-encoding": "identity"})

    ask()
