// Choosing a place on the map: click a square, move to it with the arrow keys, or drag a box.
import { announce } from "../common.js";
import { bringIntoView, drawSquares, viewNow } from "./globe.js";
import { codeAt, placeOf, round, squareAt, wrapped } from "./squares.js";

/* global L */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const SMALLEST_DRAG = 6; // pixels; less is a click

/** Let people choose places: `onPoint([lng, lat])` and `onBox([west, south, east, north])` hear of them. */
export function choosePlaces(globe, strip, boxButton, { onPoint, onBox }) {
  const pointing = { globe, strip, cursor: null };
  const map = globe.map;
  map.on("mousemove", ({ latlng }) => pointAt(pointing, latlng));
  map.on("mouseout", () => {
    drawSquares(globe, "pointed", []);
    invite(pointing);
  });
  map.on("click", ({ latlng }) => {
    if (Math.abs(latlng.lat) > 90 || Date.now() - (pointing.boxedAt || 0) < 300) return;
    const point = pointOf(latlng);
    pointing.cursor = point;
    drawSquares(globe, "cursor", []);
    onPoint(point);
  });
  map.getContainer().addEventListener("keydown", (event) => onKey(pointing, event, onPoint));
  drawBoxes(pointing, boxButton, onBox);
  return pointing;
}

/** What the strip under the map says while nothing is pointed at. */
function invite({ globe, strip }) {
  strip.textContent = `Click a square of ${globe.size}°`;
}

function pointOf(latlng) {
  return [round(wrapped(latlng.lng), 3), round(latlng.lat, 3)];
}

function say(pointing, lng, lat) {
  const size = pointing.globe.size, code = codeAt(wrapped(lng), lat, size);
  pointing.strip.textContent = `${code} · ${placeOf(squareAt(lng, lat, size))}`;
  return code;
}

function pointAt(pointing, latlng) {
  if (Math.abs(latlng.lat) > 90 || pointing.drawing) return;
  drawSquares(pointing.globe, "pointed", [squareAt(latlng.lng, latlng.lat, pointing.globe.size)]);
  say(pointing, latlng.lng, latlng.lat);
}

function onKey(pointing, event, onPoint) {
  const { globe } = pointing;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "+" || event.key === "=") globe.map.zoomIn();
  else if (event.key === "-") globe.map.zoomOut();
  else if (event.key === "Enter" && pointing.cursor) onPoint(pointing.cursor);
  else if (STEPS[event.key]) moveCursor(pointing, STEPS[event.key]);
  else return;
  event.preventDefault();
}

/** Move the highlighted square; at first it is the one in the middle of the map. */
function moveCursor(pointing, [right, up]) {
  const { globe } = pointing, size = Number(globe.size), view = viewNow(globe);
  const shown = pointing.cursor && globe.layers.cursor;
  const at = pointing.cursor || [view.lng, view.lat];
  const [west, south] = squareAt(at[0], at[1], globe.size);
  const [lng, lat] = [west + size / 2, south + size / 2];
  pointing.cursor = shown
    ? [wrapped(lng + right * size), Math.min(Math.max(lat + up * size, -90 + size / 2), 90 - size / 2)]
    : [wrapped(lng), lat];
  showCursor(pointing);
  announce(say(pointing, ...pointing.cursor));
}

function showCursor(pointing) {
  const { globe, cursor } = pointing;
  const box = squareAt(cursor[0], cursor[1], globe.size);
  drawSquares(globe, "cursor", [box]);
  // Of the three copies the one nearest to the middle is brought into view.
  const turn = Math.round((globe.map.getCenter().lng - cursor[0]) / 360) * 360;
  bringIntoView(globe, [box[0] + turn, box[1], box[2] + turn, box[3]]);
}

/** The highlighted square has another size now. */
export function resizeCursor(pointing) {
  drawSquares(pointing.globe, "pointed", []);
  invite(pointing);
  if (pointing.globe.layers.cursor) showCursor(pointing);
}

function drawBoxes(pointing, button, onBox) {
  const { map } = pointing.globe, element = map.getContainer();
  const turnTool = (on) => {
    button.setAttribute("aria-pressed", String(on));
    element.classList.toggle("drawing", on);
    if (on) map.dragging.disable();
    else map.dragging.enable();
  };
  const active = () => button.getAttribute("aria-pressed") === "true";
  button.addEventListener("click", () => turnTool(!active()));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && (active() || pointing.drawing)) cancel();
  });
  let from = null;
  const cancel = () => {
    from = pointing.drawing = null;
    drawSquares(pointing.globe, "drawn", []);
    turnTool(false);
  };
  const boxTo = (event) => boxOf(from, map.mouseEventToLatLng(event));
  // Before Leaflet hears of it, so that it does not begin to drag the map.
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary || !(active() || event.shiftKey)) return;
    map.dragging.disable();
    [from, pointing.drawing] = [map.mouseEventToLatLng(event), map.mouseEventToContainerPoint(event)];
    element.setPointerCapture(event.pointerId);
    drawSquares(pointing.globe, "pointed", []);
  }, true);
  element.addEventListener("pointermove", (event) => {
    if (!from) return;
    const box = boxTo(event);
    drawSquares(pointing.globe, "drawn", [box]);
    pointing.strip.textContent = placeOf(box);
  });
  element.addEventListener("pointerup", (event) => {
    if (!from) return;
    const box = boxTo(event), far = pointing.drawing.distanceTo(map.mouseEventToContainerPoint(event));
    cancel();
    if (far < SMALLEST_DRAG) return;
    pointing.boxedAt = Date.now();
    onBox(askedBox(box));
  });
  element.addEventListener("pointercancel", () => from && cancel());
}

function boxOf(first, second) {
  const lat = (value) => Math.min(Math.max(value, -90), 90);
  const [west, east] = [Math.min(first.lng, second.lng), Math.max(first.lng, second.lng)];
  return [west, lat(Math.min(first.lat, second.lat)), Math.min(east, west + 360), lat(Math.max(first.lat, second.lat))];
}

/** A drawn box as the API wants it: longitudes in -180..180, west above east over the date line. */
function askedBox([west, south, east, north]) {
  if (east - west >= 360) return [-180, round(south, 2), 180, round(north, 2)];
  const right = wrapped(east) === -180 ? 180 : wrapped(east);
  return [round(wrapped(west), 2), round(south, 2), round(right, 2), round(north, 2)];
}
