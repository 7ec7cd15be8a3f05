from __future__ import annotations

import pytest
import requests

# The request of reference 5's slide 18, letter for letter.
PUBLISHED = "sat=any&startday=20&startmon=06&startyr=2003&endday=22&endmon=06&endyr=2003&W_long=150&N_lat=-25&E_long=155&S_lat=-30"


@pytest.mark.parametrize("path", ["/satdata_search.get_scenes", "/marq/owa/satdata_search.get_scenes"])
def test_the_published_request_is_answered_with_ids(archive_url: str, path: str) -> None:
    answer = requests.get(f"{archive_url}{path}?{PUBLISHED}", timeout=10)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    same = "box=150,-30,155,-25&start=2003-06-20&end=2003-06-22&format=ids"
    expected = requests.get(f"{archive_url}/api/search?{same}", timeout=10).text.split()
    assert answer.text == " ".join(expected) + "\n"
    assert len(expected) == 2


def test_the_first_day_is_included_and_the_last_is_not(archive_url: str) -> None:
    days = "startday=21&startmon=6&startyr=2003&endday=22&endmon=6&endyr=2003"
    found = requests.get(f"{archive_url}/satdata_search.get_scenes?{days}", timeout=10).text.split()
    # Scene n of the fixture is of 2003-06-20 03:00 plus n hours: 21 is of midnight, 45 of the next.
    assert found == [f"h1a{n:02d}" for n in range(21, 45)]


def test_a_satellite_narrows_the_answer(archive_url: str) -> None:
    found = requests.get(f"{archive_url}/satdata_search.get_scenes?sat=NOAA-12", timeout=10).text.split()
    assert found == [f"h1a{n:02d}" for n in range(0, 90, 3)]


def test_what_it_never_knew_is_ignored(archive_url: str) -> None:
    assert (
        requests.get(f"{archive_url}/satdata_search.get_scenes?{PUBLISHED}&colour=red", timeout=10).status_code == 200
    )


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ("startday=31&startmon=02&startyr=2003", 400, "expected a date"),
        ("startday=20", 400, "all three or none"),
        ("startday=²&startmon=1&startyr=2003", 400, "expected a date"),
        ("W_long=150", 400, "W_long, N_lat, E_long and S_lat"),
        ("W_long=nan&N_lat=1&E_long=2&S_lat=0", 400, "expected degrees"),
        ("W_long=150&N_lat=-30&E_long=155&S_lat=-25", 400, "south not above north"),
        ("sat=Sputnik", 404, "NOAA-12"),
    ],
)
def test_mistakes_are_text(archive_url: str, asked: str, status: int, says: str) -> None:
    answer = requests.get(f"{archive_url}/satdata_search.get_scenes?{asked}", timeout=10)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert says in answer.text


def test_a_missing_index_is_text_too(empty_url: str) -> None:
    answer = requests.get(f"{empty_url}/satdata_search.get_scenes?sat=any", timeout=10)
    assert (answer.status_code, "csquare_index" in answer.text) == (404, True)
