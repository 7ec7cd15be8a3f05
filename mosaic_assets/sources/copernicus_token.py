"""Tokens of the Copernicus Data Space: got with an account, renewed before they expire, never shown."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mosaic_assets.errors import SettingsError, SourceError
from mosaic_assets.settings import Scenes

if TYPE_CHECKING:
    from mosaic_assets.sources.http_files import HttpFiles

CLIENT_ID = "cdse-public"
MARGIN_S = 30.0
"""A token this near to its end is renewed first, seconds."""


@dataclass(frozen=True)
class Account:
    """A user's name and password; neither is in its ``repr``."""

    user: str = field(repr=False)
    password: str = field(repr=False)


def account_from_environment(scenes: Scenes, environ: Mapping[str, str] = os.environ) -> Account:
    """Take the account from the environment variables that the settings name.

    Raises
    ------
    SettingsError
        One of them is not set.
    """
    names = (scenes.user_variable, scenes.password_variable)
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise SettingsError(
            f"fetching from Copernicus needs an account; the environment variable {missing[0]} is not set. Register at "
            f"dataspace.copernicus.eu and export {names[0]} and {names[1]}; or set scenes.source to folder or embedded"
        )
    return Account(environ[names[0]], environ[names[1]])


class CopernicusTokens:
    """Keeps one access token for all threads.

    Parameters
    ----------
    http : a client without tokens of its own.
    url : the address that gives tokens.
    account : asked for again when the refresh token has expired, too.
    clock : monotonic seconds; replaced in tests.
    """

    def __init__(
        self, http: HttpFiles, url: str, account: Account, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._url = url
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._access = ""
        self._refresh = ""
        self._until = 0.0

    def get(self) -> str:
        """Return an access token that is valid for a while. Raises `SourceError` when the account is refused."""
        with self._lock:
            if not self._access or self._clock() >= self._until:
                self._renew()
            return self._access

    def drop(self, token: str) -> None:
        """Forget a token that was refused; another thread may have renewed it already."""
        with self._lock:
            if token == self._access:
                self._access = ""

    def _renew(self) -> None:
        if self._refresh:
            status, answer = self._ask({"grant_type": "refresh_token", "refresh_token": self._refresh})
            self._refresh = ""  # refused or used: either way it is of no more use
            if status == 200:
                self._take(answer)
                return
        form = {"grant_type": "password", "username": self._account.user, "password": self._account.password}
        status, answer = self._ask(form)
        if status != 200:
            reason = answer.get("error") if isinstance(answer, dict) else None
            raise SourceError(
                f"signing in to Copernicus failed with status {status}"
                f"{f' ({str(reason)[:40]})' if reason in _REASONS else ''}; check the user's name and password in the "
                f"environment, and that the account needs no second factor"
            )
        self._take(answer)

    def _ask(self, form: dict[str, str]) -> tuple[int, Any]:
        return self._http.post(self._url, {"client_id": CLIENT_ID, **form}, attempt="signing in to Copernicus")

    def _take(self, answer: Any) -> None:
        access = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(access, str) or not access.isascii() or not access.isprintable() or not access:
            raise SourceError(
                "signing in to Copernicus failed: the answer holds no access_token; is it the right address?"
            )
        lasts_s, refresh = answer.get("expires_in"), answer.get("refresh_token")
        self._access = access
        self._refresh = refresh if isinstance(refresh, str) else ""
        known_s = float(lasts_s) if isinstance(lasts_s, int | float) and lasts_s > 0 else 600.0
        self._until = self._clock() + max(known_s - MARGIN_S, known_s / 2)


_REASONS = frozenset({"invalid_grant", "invalid_client", "invalid_request", "unauthorized_client", "access_denied"})
"""OAuth's own words; an answer may hold anything else, which is not repeated."""
