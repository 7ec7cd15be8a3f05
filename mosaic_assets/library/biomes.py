"""Where tiles are drawn from: named places with a geometry, a phase and a weight."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.core.tiles import MAX_LAT
from mosaic_assets.errors import GeometryError, SettingsError, UnknownNameError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from mosaic_assets.settings import Settings

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,59}$")
_FIELDS = ("box", "polygon", "geojson", "title", "phase", "weight", "origin", "enabled")


@dataclass(frozen=True, slots=True)
class Biome:
    """A place to harvest.

    Exactly one of ``box`` (west, south, east, north), ``polygon`` (a ring of lng, lat) and ``geojson`` (a file) gives
    the geometry; degrees, WGS 84. ``weight`` is the share the place should have among its phase's tiles before
    anything is known of its yield.
    """

    name: str
    title: str
    phase: int
    weight: float
    origin: str
    """Where the geometry comes from."""
    box: tuple[float, float, float, float] | None = None
    polygon: tuple[tuple[float, float], ...] | None = None
    geojson: str = ""

    def geometry(self) -> BaseGeometry:
        """The place as a shapely Polygon or MultiPolygon in lng/lat.

        Raises
        ------
        GeometryError
            Outside the world, across the date line, without area, or (GeoJSON) unreadable.
        """
        import shapely

        if self.box is not None:
            return shapely.box(*_checked_box(self.name, self.box))
        if self.polygon is not None:
            try:
                if not all(math.isfinite(value) for point in self.polygon for value in point):
                    raise ValueError("a coordinate is not a number")
                polygon = shapely.Polygon(self.polygon)
            except (ValueError, shapely.errors.ShapelyError) as error:
                raise GeometryError(f"biome {self.name}: its polygon is no ring of points: {error}") from error
            return _checked_area(self.name, polygon)
        return _checked_area(self.name, _read_geojson(self.name, Path(self.geojson).expanduser()))

    def fingerprint(self) -> str:
        """Short hash of the geometry: two biomes with the same one are the same place."""
        import shapely

        return hashlib.sha256(shapely.to_wkb(shapely.normalize(self.geometry()))).hexdigest()[:16]


def _general(name: str, title: str, box: tuple[float, float, float, float], weight: float) -> Biome:
    return Biome(name, title, 1, weight, "box and weight: reference 1, phase 1", box)


def _rare(name: str, title: str, box: tuple[float, float, float, float], weight: float, centre: str) -> Biome:
    return Biome(name, title, 2, weight, f"weight: reference 1, phase 2; box drawn round {centre}", box)


BUILT_IN: tuple[Biome, ...] = (
    _general("desert_sahara", "Desert (Sahara)", (-10, 15, 30, 30), 15),
    _general("forest_amazon", "Forest (Amazon)", (-70, -15, -50, 5), 15),
    _general("urban_europe", "Urban (Europe)", (-5, 40, 20, 55), 20),
    _general("arctic_greenland", "Arctic (Greenland)", (-50, 65, -30, 80), 10),
    _general("grassland_us", "Grassland (US Midwest)", (-105, 35, -90, 45), 15),
    _general("shallow_caribbean", "Shallow water (Caribbean)", (-80, 15, -65, 25), 10),
    _general("ocean_pacific", "Deep ocean (Pacific)", (-150, -20, -110, 20), 5),
    _general("agriculture_india", "Agriculture (India)", (73, 20, 80, 30), 10),
    _rare("outback", "Australian Outback", (136.2, -25.8, 138.6, -23.4), 20,
          "Simpson Desert, 24.57 S 137.42 E (Wikipedia)"),
    _rare("uyuni", "Salar de Uyuni, Bolivia", (-68.1, -20.75, -66.95, -19.75), 20,
          "20.33 S 67.70 W, 10,582 km2 (Wikipedia)"),
    _rare("natron", "Lake Natron, Tanzania", (35.88, -2.62, 36.16, -2.12), 15,
          "2.42 S 36.00 E, about 57 x 22 km (Wikipedia)"),
    _rare("dallol", "Dallol, Ethiopia", (40.22, 14.16, 40.38, 14.32), 15,
          "14.24 N 40.30 E (Wikipedia, Dallol volcano)"),
    _rare("yellowstone", "Yellowstone hot springs", (-110.91, 44.43, -110.75, 44.57), 15,
          "Grand Prismatic Spring, 44.525 N 110.838 W (Wikipedia)"),
    _rare("bahamas", "Bahamas shallows", (-79.0, 23.0, -75.5, 25.5), 15,
          "Great Bahama Bank, 23.9 N 77.3 W (GeoNames)"),
    _rare("hawaii_lava", "Lava fields, Hawaii", (-155.45, 19.18, -154.85, 19.52), 10,
          "Kilauea, 19.421 N 155.287 W (Global Volcanism Program 332010)"),
    _rare("atacama", "Atacama Desert, Chile", (-70.2, -25.5, -68.3, -22.5), 10, "24.50 S 69.25 W (Wikipedia)"),
    _rare("tokyo", "Dense urban Tokyo", (139.55, 35.55, 139.95, 35.85), 10, "35.69 N 139.69 E (Wikipedia)"),
    _rare("greenland_glaciers", "Greenland glaciers", (-51.2, 68.6, -47.5, 70.0), 10,
          "Sermeq Kujalleq, 69.17 N 49.83 W (Wikipedia)"),
)  # fmt: skip
"""Reference 1's eight general boxes and ten rare-colour places, with its weights."""


def load_biomes(settings: Settings) -> dict[str, Biome]:
    """The biomes in force: the built-in ones, changed and joined by ``[biomes.NAME]`` tables of the settings.

    A table with a new name needs one of ``box``, ``polygon``, ``geojson``; one with a built-in name changes what it
    names (``enabled = false`` drops it). GeoJSON files are read when the geometry is asked for.

    Raises
    ------
    SettingsError
        A table that is not understood; the message names it.
    GeometryError
        A box or polygon that is no place on Earth.
    """
    found = {biome.name: biome for biome in BUILT_IN} if settings.builtin_biomes else {}
    for name, table in settings.biomes.items():
        if not table.get("enabled", True):
            found.pop(name, None)
        else:
            found[name] = _from_table(name, table, found.get(name))
    if not found:
        raise SettingsError("no biome is left to harvest; add a [biomes.NAME] table or set builtin_biomes = true")
    return found


def find_biome(name: str, settings: Settings) -> Biome:
    """One biome by name. Raises `UnknownNameError` with the names there are."""
    biomes = load_biomes(settings)
    if name not in biomes:
        raise UnknownNameError("biome", name, list(biomes), f"Add it as a table [biomes.{name}] to mosaic.toml.")
    return biomes[name]


def _from_table(name: str, table: Mapping[str, Any], base: Biome | None) -> Biome:
    where = f"[biomes.{name}]"
    if not _NAME.match(name):
        raise SettingsError(
            f"{where}: a biome's name is a folder and a partition: lower-case letters, digits and _, got {name!r}"
        )
    if unknown := sorted(set(table) - set(_FIELDS)):
        raise SettingsError(f"{where}: unknown field {unknown[0]!r}; known are: {', '.join(_FIELDS)}")
    shapes = [key for key in ("box", "polygon", "geojson") if key in table]
    if len(shapes) > 1 or (not shapes and base is None):
        raise SettingsError(
            f"{where}: needs exactly one of box, polygon and geojson, got {', '.join(shapes) or 'none'}"
        )
    values: dict[str, Any] = {
        "title": name.replace("_", " "),
        "phase": 1,
        "weight": 10.0,
        "origin": "mosaic.toml",
    }
    if base is not None:
        values = {key: getattr(base, key) for key in Biome.__slots__ if key != "name"}
        if shapes:
            values.update(box=None, polygon=None, geojson="", origin="mosaic.toml")
    try:
        values.update(_parsed(table))
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"{where}: {error}; a box is [west, south, east, north], a polygon [[lng, lat], ...]"
        ) from error
    biome = Biome(name=name, **values)
    if not 0 < biome.weight < math.inf or biome.phase < 1:
        raise SettingsError(
            f"{where}: weight must be above 0 and phase at least 1, got {biome.weight} and {biome.phase}"
        )
    if not biome.geojson:
        biome.geometry()
    return biome


def _parsed(table: Mapping[str, Any]) -> dict[str, Any]:
    values = {key: table[key] for key in ("title", "origin", "geojson") if key in table}
    if "phase" in table:
        values["phase"] = int(table["phase"])
    if "weight" in table:
        values["weight"] = float(table["weight"])
    if "box" in table:
        west, south, east, north = map(float, table["box"])
        values["box"] = (west, south, east, north)
    if "polygon" in table:
        values["polygon"] = tuple((float(lng), float(lat)) for lng, lat in table["polygon"])
    return values


def _checked_box(name: str, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    west, south, east, north = box
    inside = -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90
    if not inside:
        raise GeometryError(
            f"biome {name}: box {list(box)} lies outside the world; expected west, east in -180..180 and south, north in -90..90"
        )
    if west >= east:
        raise GeometryError(
            f"biome {name}: box {list(box)} has west >= east, so it is empty or crosses the date line; give the two sides "
            f"as two biomes, or as one GeoJSON MultiPolygon"
        )
    if south >= north or south >= MAX_LAT or north <= -MAX_LAT:
        raise GeometryError(
            f"biome {name}: box {list(box)} has no area on the tile grid; expected south < north within -{MAX_LAT:.2f}..{MAX_LAT:.2f}"
        )
    return box


def _checked_area(name: str, geometry: BaseGeometry) -> BaseGeometry:
    import shapely

    if geometry.geom_type not in ("Polygon", "MultiPolygon") or geometry.is_empty or not geometry.area > 0:
        raise GeometryError(f"biome {name}: a place needs an area, got {geometry.geom_type}; give a polygon or a box")
    if not geometry.is_valid:
        raise GeometryError(
            f"biome {name}: its polygon is invalid ({shapely.is_valid_reason(geometry)}); mend it, for example with shapely.make_valid"
        )
    _checked_box(name, tuple(geometry.bounds))
    for part in getattr(geometry, "geoms", [geometry]):
        ring = shapely.get_coordinates(part.exterior)[:, 0]
        if (abs(ring[1:] - ring[:-1]) > 180).any():
            raise GeometryError(
                f"biome {name}: an edge spans more than 180 degrees of longitude; cut it at the date line"
            )
    return geometry


def _read_geojson(name: str, path: Path) -> BaseGeometry:
    import shapely
    from shapely.geometry import shape

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        features = content.get("features", [content])
        parts = [shape(feature.get("geometry", feature)) for feature in features]
        for part in parts:
            if not part.is_valid:  # a union would mend it, in a way that nobody asked for
                raise ValueError(f"invalid polygon ({shapely.is_valid_reason(part)}); mend it with shapely.make_valid")
    except (OSError, ValueError, AttributeError, KeyError, TypeError, shapely.errors.ShapelyError) as error:
        raise GeometryError(
            f"biome {name}: reading {path} failed: {error}; expected a GeoJSON Polygon, MultiPolygon, Feature or FeatureCollection"
        ) from error
    return shapely.union_all(parts)
