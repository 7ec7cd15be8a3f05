"""Files come by ranges or whole, are the ones that the manifest lists, and every fault ends in an error in words."""

from __future__ import annotations

import io
import random
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from mosaic_assets.errors import (
    HomeNotWritableError,
    MosaicError,
    ProductError,
    SettingsError,
    SourceError,
    SourceUnavailableError,
)
from mosaic_assets.scenes.local import ChecksumError, LocalProduct, MissingFileError
from mosaic_assets.scenes.names import EXAMPLE, parse_name
from mosaic_assets.scenes.records import NearReader, Product, RangeReader
from mosaic_assets.scenes.remote import RemoteProduct
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.sources.copernicus import open_files
from mosaic_assets.sources.copernicus_token import Account
from mosaic_assets.sources.http_errors import ComeBackLaterError, FileRefusedError
from mosaic_assets.sources.http_files import HttpFiles
from mosaic_assets.sources.http_ranges import WrongFileError
from mosaic_assets.sources.remote_file import joined
from mosaic_assets_tests.scenes.copernicus_server import PASSWORD, USER, StandIn, id_of, write_plain_product

MakeSettings = Callable[..., Settings]
LARGE = random.Random(1).randbytes(3_000_000)
SMALL = random.Random(2).randbytes(200_000)
FILES = {"band.nc": LARGE, "flags.nc": SMALL}


@pytest.fixture
def served(stand_in: StandIn) -> StandIn:
    """The stand-in with one product."""
    write_plain_product(stand_in.products, EXAMPLE, FILES)
    return stand_in


@contextmanager
def remote(settings: Settings) -> Iterator[RemoteProduct]:
    name, scenes = parse_name(EXAMPLE), settings.scenes
    folder = settings.home / "fetching"
    with (
        closing(open_files(settings)) as http,
        RemoteProduct(http, scenes.download_url, id_of(name.folder), name, folder, connections=4) as product,
    ):
        yield product


def everything(product: Product) -> dict[str, bytes]:
    return {file: product.open(file).read() for file in product.manifest().files}


def test_both_kinds_of_products_keep_the_contract(served: StandIn, at_stand_in: MakeSettings) -> None:
    with remote(at_stand_in()) as far, LocalProduct(served.products / f"{EXAMPLE}.SEN3") as near:
        assert isinstance(far, Product)
        assert isinstance(near, Product)
        assert everything(far) == everything(near) == FILES
        assert far.manifest().files == near.manifest().files
        assert isinstance(far.open("band.nc"), RangeReader)
        assert isinstance(near.open("band.nc"), NearReader)


def test_only_what_is_read_is_fetched(served: StandIn, at_stand_in: MakeSettings) -> None:
    with remote(at_stand_in()) as product:
        handle = product.open("band.nc")
        handle.seek(1_000_000)
        assert handle.read(10) == LARGE[1_000_000:1_000_010]
        assert served.counts()["bytes"]["band.nc"] == 32_768
        assert product.bytes_fetched == served.bytes_served


def test_reads_end_where_the_file_ends(served: StandIn, at_stand_in: MakeSettings) -> None:
    with remote(at_stand_in()) as product:
        handle = product.open("band.nc")
        assert handle.seek(-5, io.SEEK_END) == len(LARGE) - 5
        assert handle.read(100) == LARGE[-5:]
        assert handle.read(100) == b""


def test_ranges_come_joined_and_side_by_side(served: StandIn, at_stand_in: MakeSettings) -> None:
    wanted = [(2_000_000, 500_000), (0, 1000), (30_000, 1000), (1_000_000, 0), (1_000_000, 400_000)]
    served.set(delay_s=0.2)
    with remote(at_stand_in()) as product:
        handle = product.open("band.nc")
        assert isinstance(handle, RangeReader)
        assert handle.read_ranges(wanted) == [LARGE[offset : offset + size] for offset, size in wanted]
    counts = served.counts()
    assert counts["requests"]["band.nc"] == 3
    assert counts["bytes"]["band.nc"] == 31_000 + 400_000 + 500_000
    assert counts["at_once"] == 3


@pytest.mark.parametrize("seed", range(20))
def test_joined_ranges_hold_every_range(seed: int) -> None:
    drawn = random.Random(seed)
    ranges = [(drawn.randrange(1000), drawn.randrange(50)) for _ in range(20)]
    spans = joined(ranges, 10)
    assert all(any(start <= o and o + s <= start + size for start, size in spans) for o, s in ranges)
    assert all(b[0] - sum(a) > 10 for a, b in pairwise(spans))


def test_no_more_connections_than_allowed(served: StandIn, at_stand_in: MakeSettings) -> None:
    served.set(delay_s=0.05)
    with remote(at_stand_in(connections=2)) as product:
        handle = product.open("band.nc")
        assert isinstance(handle, RangeReader)
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda n: handle.read_ranges([(n * 400_000, 10)]), range(6)))
    assert served.counts()["at_once"] == 2


def test_a_server_without_ranges_gives_whole_files(served: StandIn, at_stand_in: MakeSettings) -> None:
    served.set(ranges=False)
    wanted = [(n * 300_000, 10) for n in range(10)]
    with remote(at_stand_in()) as product:
        handle = product.open("band.nc")
        assert isinstance(handle, RangeReader)
        assert handle.read_ranges(wanted) == [LARGE[offset : offset + size] for offset, size in wanted]
        assert product.open("band.nc").read() == LARGE


def test_an_interrupted_file_is_gone_on_with(served: StandIn, at_stand_in: MakeSettings) -> None:
    served.set(faults=[{"on": "flags.nc", "truncate": 150_000, "times": 1}, {"on": "flags.nc", "status": 503}])
    with remote(at_stand_in(retries=0)) as product, pytest.raises(SourceUnavailableError, match="status 503"):
        product.open("flags.nc")
    served.set(faults=[])
    before = served.counts()["bytes"]["flags.nc"]
    with remote(at_stand_in()) as product:
        assert product.open("flags.nc").read() == SMALL
    assert served.counts()["bytes"]["flags.nc"] - before == 50_000


def test_every_try_goes_on_where_the_last_broke_off(served: StandIn, at_stand_in: MakeSettings) -> None:
    served.set(faults=[{"on": "flags.nc", "truncate": 70_000}])
    with remote(at_stand_in(retries=0)) as product:
        assert product.open("flags.nc").read() == SMALL
    assert served.counts()["bytes"]["flags.nc"] == len(SMALL)


def test_a_damaged_file_is_fetched_once_more(served: StandIn, at_stand_in: MakeSettings) -> None:
    served.set(faults=[{"on": "flags.nc", "corrupt": True, "times": 1}])
    with remote(at_stand_in()) as product:
        assert product.open("flags.nc").read() == SMALL


@pytest.mark.parametrize("fault", [{"corrupt": True}, {"grow": 10}])
def test_a_file_that_is_not_the_listed_one(
    served: StandIn, at_stand_in: MakeSettings, fault: dict[str, object]
) -> None:
    served.set(faults=[{"on": "flags.nc", **fault}])
    with remote(at_stand_in()) as product, pytest.raises((WrongFileError, SourceUnavailableError), match=r"flags\.nc"):
        product.open("flags.nc")
    assert not list((at_stand_in().home / "fetching").glob("flags.nc"))


def test_a_large_file_of_another_size(served: StandIn, at_stand_in: MakeSettings) -> None:
    served.set(faults=[{"on": "band.nc", "grow": 10}])
    with remote(at_stand_in()) as product, pytest.raises(WrongFileError, match="3,000,010 bytes"):
        product.open("band.nc").read(10)


def test_a_token_is_used_until_it_ends(served: StandIn, at_stand_in: MakeSettings) -> None:
    with remote(at_stand_in()) as product:
        everything(product)
    assert served.counts()["tokens"] == 1


def test_a_token_that_is_forgotten_is_refreshed(served: StandIn, at_stand_in: MakeSettings) -> None:
    with remote(at_stand_in()) as product:
        product.manifest()
        served.set(drop_tokens=True)
        assert product.open("flags.nc").read() == SMALL
    assert served.counts()["requests"]["grant refresh_token"] == 1


def test_a_token_near_its_end_is_refreshed_before(served: StandIn, at_stand_in: MakeSettings) -> None:
    """Half a second of one: the next request comes with a new one, and nothing is refused."""
    served.set(token_life_s=1.0)
    with remote(at_stand_in()) as product:
        product.manifest()
        threading.Event().wait(0.6)
        product.open("flags.nc")
    counts = served.counts()["requests"]
    assert (counts["grant password"], counts["grant refresh_token"], counts["flags.nc"]) == (1, 1, 1)


def test_a_refresh_that_is_refused_falls_back_on_the_password(served: StandIn, at_stand_in: MakeSettings) -> None:
    with remote(at_stand_in()) as product:
        product.manifest()
        served.set(drop_tokens=True, refresh_works=False)
        assert product.open("flags.nc").read() == SMALL
    assert served.counts()["requests"]["grant password"] == 2


def test_one_token_for_all_threads(served: StandIn, at_stand_in: MakeSettings) -> None:
    with remote(at_stand_in()) as product:
        handle = product.open("band.nc")
        assert isinstance(handle, RangeReader)
        served.set(drop_tokens=True)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: handle.read_ranges([(n * 400_000, 10)]), range(6)))
    assert served.counts()["tokens"] == 2


def test_a_wrong_password_is_refused_in_words(
    served: StandIn, at_stand_in: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = at_stand_in()
    monkeypatch.setenv("CDSE_PASSWORD", "something else")
    with remote(settings) as product, pytest.raises(SourceError, match=r"signing in .*invalid_grant") as refused:
        product.manifest()
    assert not refused.value.passing
    assert served.counts()["requests"]["token"] == 1


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"status": 503}, SourceUnavailableError, "signing in to Copernicus failed 2 time"),
        ({"status": 429, "retry_after": 7_200}, ComeBackLaterError, "come back at"),
        ({"status": 200, "body": "<html>"}, SourceError, "no access_token"),
        ({"status": 200, "body": "{}"}, SourceError, "no access_token"),
        ({"status": 200, "body": '{"access_token": "a\\nb: c"}'}, SourceError, "no access_token"),
        ({"status": 400, "body": '{"error": "totp secret"}'}, SourceError, "status 400; check"),
        ({"status": 302, "location": "https://evil.example/"}, SourceError, "status 302"),
    ],
)
def test_signing_in_that_fails(
    served: StandIn, at_stand_in: MakeSettings, fault: dict[str, object], error: type[SourceError], words: str
) -> None:
    served.set(faults=[{"on": "/token", **fault}])
    with remote(at_stand_in(retries=1)) as product, pytest.raises(error, match=words):
        product.manifest()


def test_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CDSE_USER", raising=False)
    with pytest.raises(SettingsError, match="CDSE_USER is not set"):
        open_files(load_settings(scenes={"source": "copernicus"}))


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"status": 403}, FileRefusedError, "status 403"),
        ({"status": 404}, FileRefusedError, "status 404"),
        ({"status": 410}, FileRefusedError, "status 410"),
        ({"status": 401}, SourceError, "status 401"),
        ({"status": 500}, SourceUnavailableError, "status 500"),
        ({"status": 503, "retry_after": 0}, SourceUnavailableError, "status 503"),
        ({"status": 429, "retry_after": 86_400}, ComeBackLaterError, "come back at 20"),
        ({"status": 429, "retry_after": "Fri, 01 Jan 2100 10:30:00 GMT"}, ComeBackLaterError, "2100-01-01 10:30 UTC"),
        ({"status": 403, "retry_after": 86_400}, ComeBackLaterError, "come back at 20"),
        ({"status": 307, "location": "http://127.0.0.1:9/x"}, SourceError, "another host"),
        ({"status": 307, "location": "https://evil.example/x"}, SourceError, "the token would go along"),
        ({"status": 307, "location": "file:///etc/passwd"}, SourceError, "another host"),
        ({"truncate": 10}, SourceUnavailableError, "truncated"),
        ({"stall_s": 1.5}, SourceUnavailableError, "a timeout"),
    ],
)
@pytest.mark.parametrize("file", ["xfdumanifest.xml", "flags.nc", "band.nc"])
def test_what_a_server_does_wrong_ends_in_words(
    served: StandIn,
    at_stand_in: MakeSettings,
    file: str,
    fault: dict[str, object],
    error: type[SourceError],
    words: str,
) -> None:
    settings = at_stand_in(
        network={"timeout_s": 0.5 if "stall_s" in fault else 5.0}, retries=1 if "stall_s" not in fault else 0
    )
    served.set(faults=[{"on": file, **fault}])
    with remote(settings) as product, pytest.raises(error, match=words) as raised:
        product.open(file if file != "xfdumanifest.xml" else "flags.nc").read(10)
    assert raised.value.passing == issubclass(error, SourceUnavailableError)
    assert "token-" not in str(raised.value)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("file", ["xfdumanifest.xml", "flags.nc", "band.nc"])
def test_a_body_that_dawdles_is_broken_off(served: StandIn, at_stand_in: MakeSettings, file: str) -> None:
    """Ten bytes every 50 ms: no single wait is too long."""
    served.set(faults=[{"on": file, "dribble_s": 0.05}])
    settings = at_stand_in(network={"timeout_s": 0.3}, retries=0)
    with remote(settings) as product, pytest.raises(SourceUnavailableError, match="dawdles"):
        product.open("flags.nc" if file == "xfdumanifest.xml" else file).read(10)


def test_nobody_listens(at_stand_in: MakeSettings) -> None:
    settings = at_stand_in(token_url="http://127.0.0.1:9/token", retries=0)
    with remote(settings) as product, pytest.raises(SourceUnavailableError, match="connection refused"):
        product.manifest()


def test_a_redirect_on_the_host_is_followed(served: StandIn, at_stand_in: MakeSettings) -> None:
    node = f"/odata/v1/Products({id_of(EXAMPLE + '.SEN3')})/Nodes({EXAMPLE}.SEN3)/Nodes(flags.nc)/$value"
    served.set(faults=[{"on": "flags.nc", "status": 307, "location": node, "times": 1}])
    with remote(at_stand_in()) as product:
        assert product.open("flags.nc").read() == SMALL


def test_the_error_behind_a_reading_library_is_kept(served: StandIn, at_stand_in: MakeSettings) -> None:
    """A library for netCDF may turn our error into one of its own; the product remembers the first."""
    import h5py

    served.set(faults=[{"on": "band.nc", "status": 404}])
    with remote(at_stand_in()) as product:
        with pytest.raises((OSError, MosaicError)):
            h5py.File(product.open("band.nc"))
        assert isinstance(product.failure, FileRefusedError)


def test_a_disk_without_room(served: StandIn, at_stand_in: MakeSettings, tmp_path: Path) -> None:
    """Where the folder of fetched files is to be, there is a file."""
    settings = at_stand_in()
    settings.home.mkdir()
    (settings.home / "fetching").write_bytes(b"")
    with remote(settings) as product, pytest.raises(MosaicError, match="there is a file of that name"):
        product.open("flags.nc")


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more(served: StandIn, at_stand_in: MakeSettings) -> None:
    """The system refuses to let the file grow; what had come is gone on with when there is room."""
    settings = at_stand_in()
    with remote(settings) as product:
        product.manifest()
        with files_no_larger_than(100_000), pytest.raises(HomeNotWritableError, match="no file of that size"):
            product.open("flags.nc")
        assert product.open("flags.nc").read() == SMALL


def test_a_disk_that_takes_no_more_while_a_library_reads(served: StandIn, at_stand_in: MakeSettings) -> None:
    served.set(ranges=False)
    with remote(at_stand_in()) as product:
        handle = product.open("band.nc")
        with files_no_larger_than(100_000), pytest.raises(OSError, match="large"):
            handle.read(10)
        assert isinstance(product.failure, HomeNotWritableError)


def test_secrets_are_not_shown() -> None:
    account = Account(USER, PASSWORD)
    assert USER not in repr(account)
    assert PASSWORD not in repr(account)


def test_no_password_from_a_netrc_file_goes_along(
    served: StandIn, at_stand_in: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`requests` would replace our token by the file's password, and the server would refuse it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with remote(at_stand_in()) as product:
        product.manifest()
    assert served.counts()["requests"]["xfdumanifest.xml"] == 1


def test_a_client_without_tokens_sends_none(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    http = HttpFiles(settings.network, connections=1, retries=0)
    node = f"{served.url}/odata/v1/Products({id_of(EXAMPLE + '.SEN3')})/Nodes({EXAMPLE}.SEN3)/Nodes(flags.nc)/$value"
    with closing(http), pytest.raises(SourceError, match="status 401"):
        http.get(node, lambda answer: answer.content, attempt="asking")


def test_a_local_file_that_is_not_the_listed_one(tmp_path: Path) -> None:
    folder = write_plain_product(tmp_path, EXAMPLE, FILES)
    (folder / "flags.nc").write_bytes(SMALL[:-1] + b"x" if SMALL[-1:] != b"x" else SMALL[:-1] + b"y")
    (folder / "band.nc").write_bytes(LARGE[:-1])
    with LocalProduct(folder) as product:
        with pytest.raises(ChecksumError, match="MD5"):
            product.open("flags.nc")
        with pytest.raises(ChecksumError, match="2,999,999 bytes"):
            product.open("band.nc")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    folder = write_plain_product(tmp_path, EXAMPLE, FILES)
    (folder / "band.nc").unlink()
    with LocalProduct(folder) as product:
        with pytest.raises(MissingFileError, match="it is not in"):
            product.open("band.nc")
        with pytest.raises(MissingFileError, match="lists 2 files without it"):
            product.open("Oa08_radiance.nc")
    (folder / "xfdumanifest.xml").unlink()
    with LocalProduct(folder) as product, pytest.raises(ProductError, match="No such file"):
        product.manifest()
