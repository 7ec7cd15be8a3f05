"""Addresses in STAC items: which of many assets and links stand for a scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from mosaic_assets.csquares.readers.values import opened


@dataclass(frozen=True, slots=True)
class Addresses:
    """The assets and links of an item; empty lists for a record that has none."""

    assets: list[tuple[str, Mapping[Any, Any]]]
    links: list[Mapping[Any, Any]]

    def image(self) -> str:
        """Return where the picture is, else where all data are told of; empty if nowhere."""
        data = self._with_role("data")
        only = data if len(data) == 1 else []
        pages = [*self._linked("enclosure"), *self._linked("self")]
        return self._whole([*self._with_role("visual"), *only, *pages, *data])

    def thumbnail(self) -> str:
        """Return where a small picture is; empty if nowhere."""
        assets = [*self._with_role("thumbnail"), *self._with_role("overview")]
        return self._whole([*assets, *self._linked("thumbnail"), *self._linked("preview")])

    def licence(self) -> str:
        """Return where the licence is; empty if nowhere."""
        return self._whole(self._linked("license"))

    def _with_role(self, role: str) -> list[Any]:
        """Return the addresses of the assets that have a role, or its name as their key."""
        return [asset.get("href") for key, asset in self.assets if key == role or role in _roles(asset)]

    def _linked(self, relation: str) -> list[Any]:
        return [link.get("href") for link in self.links if link.get("rel") == relation]

    def _whole(self, candidates: list[Any]) -> str:
        """Return the first candidate that is an address, completed with the item's own."""
        own = next((base for base in self._linked("self") if isinstance(base, str)), "")
        for candidate in candidates:
            if is_address(candidate):
                return _joined(own, candidate.strip())
        return ""


def addresses_of(names: Mapping[str, Any]) -> Addresses:
    """Return the assets and links among a record's values.

    Examples
    --------
    >>> links = [{"rel": "self", "href": "https://example.org/items/1"}]
    >>> addresses_of({"assets": {"visual": {"href": "./1.tif"}}, "links": links}).image()
    'https://example.org/items/1.tif'
    """
    assets, links = opened(names.get("assets")), opened(names.get("links"))
    pairs = assets.items() if isinstance(assets, Mapping) else ()
    return Addresses(
        [(str(key), asset) for key, asset in pairs if isinstance(asset, Mapping)],
        [link for link in links if isinstance(link, Mapping)] if isinstance(links, (list, tuple)) else [],
    )


def is_address(value: Any) -> bool:
    """Whether a value is the address of something, not the thing itself."""
    return isinstance(value, str) and bool(value.strip()) and not value.strip().startswith("data:")


def _roles(asset: Mapping[Any, Any]) -> list[Any]:
    roles = asset.get("roles")
    return roles if isinstance(roles, list) else []


def _joined(own: str, address: str) -> str:
    if not own.startswith(("http://", "https://")):
        return address
    try:
        return urljoin(own, address)
    except ValueError:  # no address at all, such as http://[
        return address
