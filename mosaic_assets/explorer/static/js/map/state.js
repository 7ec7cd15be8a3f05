// The question and what is shown, as the address has them: the names mean what they mean in the API.
import { SIZES, sizeOf } from "./squares.js";

const PLACES = ["code", "box", "point", "scene"];
const MANY = ["code", "dataset", "platform"];
/** What a search is asked, in the order in which the address has it. */
const ASKED = [...PLACES, "resolution", "dataset", "platform", "start", "end", "page"];

/** Read the address's query. Lists are arrays; what is not there is null. */
export function readState(query) {
  const given = new URLSearchParams(query);
  const state = {};
  for (const name of ASKED) {
    state[name] = MANY.includes(name) ? given.getAll(name).filter(Boolean) : given.get(name) || null;
  }
  state.resolution = SIZES.includes(state.resolution) ? state.resolution : sizeIn(state);
  state.show = given.get("show") || null;
  state.density = given.get("density") === "1";
  state.view = viewOf(given.get("view"));
  return state;
}

function sizeIn(state) {
  if (state.code.length) return sizeOf(state.code[0].split("|")[0]) || "0.5";
  return state.box || state.point || state.scene ? "0.5" : "10";
}

function viewOf(text) {
  const [lat, lng, zoom] = (text || "").split(",").map(Number);
  const sound = [lat, lng, zoom].every(Number.isFinite) && Math.abs(lat) <= 90 && Math.abs(lng) <= 180;
  return sound ? { lat, lng, zoom: Math.min(Math.max(zoom, -2), 9) } : null;
}

/** The address's query for a state. */
export function queryOf(state) {
  const query = new URLSearchParams();
  for (const name of ASKED) {
    if (name === "page" && state.page === "1" && hasPlaceOrFilter(state)) continue;
    if (name === "resolution" && state.resolution === "10" && !hasPlace(state)) continue;
    for (const value of [state[name]].flat()) if (value !== null && value !== "") query.append(name, value);
  }
  if (state.density) query.set("density", "1");
  if (state.show) query.set("show", state.show);
  if (state.view) query.set("view", [state.view.lat, state.view.lng, state.view.zoom].join(","));
  // Colons and commas may stand in a query as they are, and are easier to read so.
  return query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
}

/** What the API is asked for a page of a state's scenes. */
export function parametersOf(state, more = {}) {
  const asked = Object.fromEntries(ASKED.map((name) => [name, state[name]]));
  if (!hasPlace(state)) asked.resolution = null;
  return { ...asked, ...more };
}

export function hasPlace(state) {
  return PLACES.some((name) => state[name] !== null && state[name].length > 0);
}

/** The place alone, to compare two states by. */
export function placeIn(state) {
  return JSON.stringify(PLACES.map((name) => state[name]));
}

/** Whether anything narrows the search beside the place. */
function hasFilter(state) {
  return Boolean(state.dataset.length || state.platform.length || state.start || state.end);
}

function hasPlaceOrFilter(state) {
  return hasPlace(state) || hasFilter(state);
}

/** Whether there is a question at all; `page` alone asks for everything. */
export function isAsked(state) {
  return hasPlaceOrFilter(state) || state.page !== null;
}

/** A state with another place, or with none; on the first page, and no scene's squares shown. */
export function withPlace(state, place) {
  const none = { code: [], box: null, point: null, scene: null };
  return { ...state, ...none, page: "1", show: null, ...place };
}

/** The question without what is shown, to compare two states by. */
export function questionOf(state) {
  return JSON.stringify(parametersOf(state));
}
