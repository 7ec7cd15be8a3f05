"""The API held against its own description; ``python -m mosaic_assets_tests.explorer.test_openapi URL`` does it at length."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

CHECKS = [
    not_a_server_error,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.status_code_conformance,
]


def fuzz(url: str, examples: int) -> tuple[Counter[int], list[str]]:
    """Send requests as described and otherwise to every path; return how many got which status, and what was wrong."""
    tally: Counter[int] = Counter()
    wrong: list[str] = []
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        operation = found.ok()
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            try:
                _fuzz_one(operation.as_strategy(generation_mode=mode), examples, tally, wrong)
            except Unsatisfiable:
                continue  # without parameters nothing can be asked wrongly
    return tally, wrong


def _fuzz_one(strategy: Any, examples: int, tally: Counter[int], wrong: list[str]) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=strategy)
    def ask(case: Any) -> None:
        answer = case.call(timeout=20)
        tally[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except BaseExceptionGroup as error:
            wrong.append(f"{case.method} {case.formatted_path}: {error}")

    ask()


@pytest.fixture(scope="module")
def description(archive_url: str) -> Any:
    return requests.get(f"{archive_url}/openapi.json", timeout=10).json()


def test_no_request_breaks_the_explorer_or_its_word(archive_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    tally, wrong = fuzz(archive_url, 5)
    with capsys.disabled():
        say(tally, wrong)
    assert wrong == []
    assert tally[200] > 30
    assert tally[400] > 50


def test_every_parameter_is_described(description: Any) -> None:
    silent = [
        f"{path} {parameter['name']}"
        for path, methods in description["paths"].items()
        if "satdata" not in path  # reference 5's names say what they are, and its page said no more
        for said in methods.values()
        for parameter in said.get("parameters", ())
        if not (parameter.get("description") or parameter["schema"].get("description"))
    ]
    assert silent == []


def test_every_operation_has_a_summary_and_documents_its_problems(description: Any) -> None:
    for path, methods in description["paths"].items():
        for said in methods.values():
            assert said["summary"], path
            assert {"200", "400", "404", "503", "4XX"} <= said["responses"].keys(), path
            assert "422" not in said["responses"], path


def test_examples_of_the_search_are_answered(archive_url: str, description: Any) -> None:
    asked = [
        (path, {parameter["name"]: example})
        for path in ("/api/search", "/api/place", "/stac/search")
        for parameter in description["paths"][path]["get"]["parameters"]
        for example in parameter["schema"].get("examples", ())
    ]
    answers = [requests.get(archive_url + path, parameters, timeout=10) for path, parameters in asked]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert len(answers) >= 8


def say(tally: Counter[int], wrong: list[str]) -> None:
    statuses = dict(sorted(tally.items()))
    print(f"\nschemathesis: {tally.total():,} requests, {len(wrong)} failures, statuses {statuses}")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--examples", type=int, default=50, help="of each path, half of them against its description")
    given_arguments = parser.parse_args()
    statuses, failures = fuzz(given_arguments.url, given_arguments.examples)
    say(statuses, failures)
    print("\n".join(failures))  # noqa: T201
