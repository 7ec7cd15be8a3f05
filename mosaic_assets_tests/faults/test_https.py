"""Encrypted connections: certificates are checked, the user's own authority can be trusted, nothing goes in the clear."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mosaic_assets.core.records import Outcome, Tile
from mosaic_assets.errors import SourceError
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.sources.xyz import XyzSource
from mosaic_assets_tests.faults.acts import true_picture
from mosaic_assets_tests.faults.certificates import Authority
from mosaic_assets_tests.faults.conftest import NewHome
from mosaic_assets_tests.faults.control import Remote, running
from mosaic_assets_tests.faults.matrix import LIMITS

TILES = [Tile(x, 3, 5) for x in range(6)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("authority"))


def serving(files: tuple[str, str]) -> AbstractContextManager[Remote]:
    return running("--certificate", files[0], "--key", files[1])


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Generator[Remote]:
    with serving(authority.server(tmp_path_factory.mktemp("server"))) as remote:
        yield remote


@pytest.fixture
def settings() -> Settings:
    return load_settings(network=LIMITS | {"timeout_s": 5.0})


def trust(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))


def test_a_certificate_of_a_trusted_authority_lets_pictures_through(
    server: Remote, authority: Authority, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, authority)
    with server.source("clean", settings) as source:
        assert [answer.body for answer in source.fetch(TILES)] == [true_picture(tile) for tile in TILES]


def refusal(server: Remote, settings: Settings) -> str:
    """The error with which a harvest ends; it must not be one that anything retries."""
    with server.source("clean", settings) as source, pytest.raises(SourceError) as caught:
        list(source.fetch(TILES))
    assert not caught.value.passing
    return str(caught.value)


def expected(server: Remote) -> str:
    place = f"source 'faulty' from 127.0.0.1 port {server.port}"
    return f"fetching tiles of {place} was given up: its certificate is not valid"


def test_an_unknown_authority_ends_the_harvest_with_one_error_that_names_the_host(
    server: Remote, settings: Settings
) -> None:
    server.tell({})
    error = refusal(server, settings)
    assert error.startswith(expected(server)) and "SSL_CERT_FILE" in error
    assert server.seen("clean") == {}  # no request was sent over a connection that nobody vouched for


@pytest.mark.parametrize(
    "given",
    [{"until": "20010101000000Z"}, {"address": "127.0.0.2"}],
    ids=["expired in 2001", "of another address"],
)
def test_a_certificate_that_does_not_hold_is_refused(
    authority: Authority, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str]
) -> None:
    trust(monkeypatch, authority)
    with serving(authority.server(tmp_path, **given)) as server:
        assert refusal(server, settings).startswith(expected(server))
        assert server.seen("clean") == {}


def test_a_certificate_of_another_authority_of_the_same_name_is_refused(
    server: Remote, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trust(monkeypatch, Authority.new(tmp_path))
    assert refusal(server, settings).startswith(expected(server))


def test_a_redirect_to_plain_http_is_refused(
    server: Remote, authority: Authority, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, authority)
    server.tell({TILES[0]: ["redirect_in_the_clear"]})
    with server.source("told", settings) as source:
        first, *others = source.fetch(TILES)
    assert (first.outcome, first.detail) == (Outcome.REFUSED, "status 302, a redirect away from its host")
    assert [answer.body for answer in others] == [true_picture(tile) for tile in TILES[1:]]


def test_https_is_never_given_up_for_http_where_the_server_speaks_no_tls(faulty: Remote, settings: Settings) -> None:
    """Passing, because a server that starts may do so; but nothing was asked for in the clear."""
    plain = Remote(faulty.port, "https")
    faulty.tell({})
    with plain.source("clean", settings) as source:
        found = {(answer.outcome, answer.detail) for answer in source.fetch(TILES)}
    assert found == {(Outcome.FETCH_FAILED, "the encrypted connection failed")}
    assert faulty.seen("clean") == {}


def test_a_certificate_error_publishes_no_round(server: Remote, lasting_home: NewHome) -> None:
    """Or a missing file of authorities would use up the biome's tiles."""
    home = lasting_home(round_tiles=10)
    with server.source("clean", home) as source, pytest.raises(SourceError, match="certificate"):
        harvest_round("west", home, source=source)
    assert not list(home.harvest.rglob("round-*"))


@pytest.mark.parametrize("port", ["99999", "abc"])
def test_an_address_that_is_none_ends_the_harvest_with_the_remedy(settings: Settings, port: str) -> None:
    record = Remote(1).record("clean", url=f"https://127.0.0.1:{port}/{{z}}/{{x}}/{{y}}")
    with (
        XyzSource(record, settings) as source,
        pytest.raises(SourceError, match=r"not an address.*mend the source's url"),
    ):
        list(source.fetch(TILES))
