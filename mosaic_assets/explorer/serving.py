"""Running the explorer until it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

from mosaic_assets.errors import SettingsError
from mosaic_assets.explorer.app import make_app
from mosaic_assets.explorer.bounded import BoundedProtocol
from mosaic_assets.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
AT_ONCE = 256
"""Connections and requests at a time; more are told to come back."""


def serve(
    settings: Settings,
    host: str,
    port: int,
    *,
    allowed_hosts: tuple[str, ...] = (),
    dagster_url: str = "",
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the explorer over a data home until SIGINT or SIGTERM.

    Parameters
    ----------
    settings : Settings
    host, port : where to listen; port 0 takes a free one.
    allowed_hosts : names under which it may be asked for, beside ``host`` and loopback.
    dagster_url : where the Dagster UI may be running.
    on_ready : called with the address once requests are answered.

    Raises
    ------
    SettingsError
        The address cannot be listened on.
    """
    if not host.strip():
        raise SettingsError("listening on an empty --host: name an address, 0.0.0.0 for all that this machine has")
    hosts = {*LOOPBACK, f"[{host}]" if ":" in host else host, *allowed_hosts}
    app = make_app(settings, hosts=hosts, dagster_url=dagster_url)
    config = configured(app, host, port)
    try:
        listening = config.bind_socket()
    except SystemExit as error:  # uvicorn's way of saying that the address is taken
        raise SettingsError(
            f"listening on {host}:{port} failed, for the reason above. If another program is there, choose another --port, or "
            "0 for a free one; if it is no address of this machine, choose another --host"
        ) from error
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    with listening:
        _Server(config, lambda: on_ready(address) if on_ready else None).run(sockets=[listening])


def configured(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """Return how uvicorn is to serve an application: within limits, and saying little about itself."""
    return uvicorn.Config(
        app,
        host,
        port,
        http=BoundedProtocol,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=AT_ONCE,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
        ws="none",
        lifespan="on",
    )


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._on_ready()
