// A drawing of where a query is and where the methods placed it, in metres about its centre.
import { make } from "../common.js";

const SPACE = "http://www.w3.org/2000/svg";
const SIDE = 480;
const ORDER = ["first", "second", "third", "fourth"];
const METRES_A_DEGREE = 111_320;

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A distance as people read it. */
export function metres(distance) {
  if (distance < 10) return `${distance.toFixed(2)} m`;
  if (distance < 1000) return `${distance.toFixed(0)} m`;
  return `${(distance / 1000).toFixed(distance < 10_000 ? 1 : 0)} km`;
}

/** East and north of the query's centre, metres. */
function flat([lng, lat], [lng0, lat0]) {
  return [(lng - lng0) * METRES_A_DEGREE * Math.cos((lat0 * Math.PI) / 180), (lat - lat0) * METRES_A_DEGREE];
}

/** The largest round number of metres that is at most so many. */
function roundBelow(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return [5, 2, 1].map((step) => step * power).find((step) => step <= length);
}

function labelled(shape, text) {
  shape.append(svg("title", {}, document.createTextNode(text)));
  return shape;
}

/** The picture in its true box (dashed), each answer's outline, or a circle through where it must lie. */
export function placesDrawing(row) {
  const [west, south, east, north] = row.bounds;
  const corners = [[west, north], [east, north], [east, south], [west, south]].map((corner) => flat(corner, row.centre));
  const answers = row.answers.filter((one) => one.distance_m !== null).map((one) => ({
    ...one, points: one.outline ? one.outline.map((corner) => flat(corner, row.centre)) : null,
  }));
  const reach = Math.max(
    ...corners.flat().map(Math.abs),
    ...answers.flatMap((one) => (one.points ? one.points.flat().map(Math.abs) : [one.distance_m])),
  ) * 1.15;
  const place = ([x, y]) => [SIDE / 2 + (x / reach) * (SIDE / 2), SIDE / 2 - (y / reach) * (SIDE / 2)];
  const path = (points) => points.map((point) => place(point).map((number) => number.toFixed(1)).join(",")).join(" ");

  const [left, top] = place(corners[0]);
  const [right, bottom] = place(corners[2]);
  const drawing = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, class: "places", role: "img", "aria-label": spoken(row, answers) });
  drawing.append(svg("image", {
    href: row.picture, x: left, y: top, width: Math.max(1, right - left), height: Math.max(1, bottom - top),
    preserveAspectRatio: "none", opacity: "0.55",
  }));
  drawing.append(labelled(svg("polygon", { points: path(corners), class: "truth" }), "where it is"));
  answers.forEach((one, number) => {
    const colour = ORDER[number % ORDER.length];
    const shape = one.points
      ? svg("polygon", { points: path(one.points), class: `answer ${colour}` })
      : svg("circle", { cx: SIDE / 2, cy: SIDE / 2, r: Math.max(4, (one.distance_m / reach) * (SIDE / 2)), class: `answer ${colour}` });
    drawing.append(labelled(shape, `${one.method}: ${metres(one.distance_m)}`));
  });
  const bar = roundBelow(reach * 0.6);
  const length = (bar / reach) * (SIDE / 2);
  drawing.append(svg("path", { d: `M 12 ${SIDE - 14} v 6 h ${length.toFixed(1)} v -6`, class: "scale" }));
  drawing.append(svg("text", { x: 16 + length, y: SIDE - 8 }, document.createTextNode(metres(bar).replace(".00", "").replace(".0", ""))));
  return make("figure", { class: "large" }, drawing, make("figcaption", { class: "credit" }, ...key(answers)));
}

function key(answers) {
  const line = (name) => {
    const sample = svg("svg", { width: 26, height: 10, "aria-hidden": "true", class: "key" });
    sample.append(svg("path", { d: "M 1 5 H 25", class: name, "stroke-width": 3, fill: "none", ...(name === "truth" ? { "stroke-dasharray": "6 4", stroke: "currentColor" } : {}) }));
    return sample;
  };
  const circles = answers.some((one) => !one.points);
  const entry = (name, text) => make("li", {}, line(name), text);
  return [
    make("ul", { class: "legend" }, entry("truth", "where it is"),
      ...answers.map((one, number) => entry(ORDER[number % ORDER.length], `${one.method}, ${metres(one.distance_m)} off`))),
    circles ? "Of these answers only the distance was kept: the middle of each lies on its circle." : "",
  ];
}

function spoken(row, answers) {
  const said = answers.map((one) => `${one.method} placed it ${metres(one.distance_m)} from there`);
  return `Where the query is${said.length ? `; ${said.join("; ")}` : ""}`;
}
