"""Who may ask the server: names under which it answers, other pages in a browser, the token."""

from collections.abc import Iterator

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from stages.serving.guard import HEADERS, Access, hostname
from tests.fixtures import graphs, served
from tests.fixtures.requested import Server

TOKEN = "s3cret token"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    model = graphs.export(tmp_path_factory.mktemp("model"), graphs.describe(channels=("flair",)))
    with served.running(model, "--token", TOKEN) as address:
        assert address.endswith("/#token=s3cret%20token")
        yield Server(address.partition("#")[0], TOKEN)


def headers(**named: str) -> Headers:
    return Headers({name.replace("_", "-"): value for name, value in named.items()})


def status(access: Access, path: str = "/", **named: str) -> int | None:
    """Of the refusal of a request."""
    refusal = access.refusal(path, headers(**named))
    return refusal.status if refusal else None


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("127.0.0.1:8765", True),
        ("localhost", True),
        ("LOCALHOST:9000", True),  # forwarded by ssh
        ("[::1]:8765", True),
        ("evil.example:8765", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:8765", False),
        ("", False),
        ("evil.example\0localhost", False),
        ("[::1", True),
        ("localhost@evil.example", False),
    ],
)
def test_names_under_which_a_server_of_this_machine_answers(host: str, answered: bool) -> None:
    assert status(Access.to("127.0.0.1", None), host=host) == (None if answered else 421)


def test_a_server_of_another_address_answers_under_its_own_name_too() -> None:
    access = Access.to("Scanner.Hospital", "t")
    assert access.refusal("/", headers(host="scanner.hospital:80")) is None
    assert status(access, host="other.hospital:80") == 421
    assert Access.to("0.0.0.0", "t").refusal("/", headers(host="any.name")) is None


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"origin": "http://127.0.0.1:8765"}, None),
        ({"origin": "http://127.0.0.1:3000"}, 403),  # another program's page on this machine
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "same-origin"}, None),
        ({"sec_fetch_site": "none"}, None),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
    ],
)
def test_pages_that_may_not_ask(named: dict[str, str], expected: int | None) -> None:
    access = Access.to("127.0.0.1", None)
    assert status(access, "/api/scans", host="127.0.0.1:8765", **named) == expected
    assert access.refusal("/", headers(host="127.0.0.1:8765", sec_fetch_site="cross-site")) is None  # a link


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126)))
def test_no_other_token_opens(sent: str) -> None:
    access = Access.to("127.0.0.1", TOKEN)
    for words in (sent, f"Bearer {sent}", f"Basic {TOKEN}", TOKEN):
        refusal = access.refusal("/api/scans", headers(host="localhost", authorization=words))
        assert (refusal is None) == (sent == TOKEN and words.startswith("Bearer"))
    assert status(access, "/api/scans", host="localhost") == 401


@given(st.sampled_from(["localhost", "127.0.0.1", "a.b"]), st.integers(0, 65535))
def test_a_port_is_no_part_of_a_name(name: str, port: int) -> None:
    assert hostname(name) == hostname(f"{name}:{port}") == name
    assert hostname(f"[::1]:{port}") == "::1"


def test_without_the_token_nothing_of_a_scan_is_answered(server: Server) -> None:
    for method, path in (
        ("get", "scans"),
        ("post", "scans"),
        ("get", "model"),
        ("get", "files"),
        ("delete", "scans/x"),
        ("put", "scans/x/labels"),
    ):
        answer = requests.request(method, f"{server.address}api/{path}", data=b"x", timeout=30)
        assert (answer.status_code, list(answer.json())) == (401, ["error"])
        assert answer.headers["www-authenticate"] == "Bearer"
    assert server.ask("get", "scans").json() == []
    for path in ("", "healthz", "openapi.json", "page/main.js"):
        assert requests.get(server.address + path, timeout=30).status_code == 200


def test_every_answer_forbids_what_is_elsewhere(server: Server) -> None:
    for method, path in (
        ("get", ""),
        ("get", "page/main.js"),
        ("get", "nothing"),
        ("get", "healthz"),
        ("get", "api/scans"),
        ("options", "api/scans"),
    ):
        answer = server.session.request(method, server.address + path, timeout=30)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "http" not in answer.headers["content-security-policy"]
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert "server" not in {name.lower() for name in answer.headers}
