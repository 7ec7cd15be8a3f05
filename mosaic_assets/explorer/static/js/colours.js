// The colour page: the address is the state, this keeps page and address together.

import { announce, ask, entitle, fill, make, problemNote } from "./common.js";
import { askFor } from "./colours/asking.js";
import { showCoverage } from "./colours/coverage.js";
import { Picker, asked } from "./colours/picker.js";
import { Picture } from "./colours/picture.js";
import { Plane } from "./colours/plane.js";
import { MEANINGS, markChosen, nearestSaid, showNearest, showRights, showTiles, sourcesOf, tilesOf, wordsOf } from "./colours/results.js";
import { isShown, queryOf, readState } from "./colours/state.js";
import { Strip } from "./colours/strip.js";

const LIMIT = 24;
const byId = (id) => document.getElementById(id);
const INTRO = byId("intro").textContent;
const FIRST = byId("well").value; // the colour of an address without one

let state = readState(location.search);
let data = null; // the answer of /api/colours
let nearest = null; // the answer of /api/colours/nearest
let unsettled = null; // the state before a colour that is still being chosen

const plane = new Plane(byId("plane"), { onPoint: pointed, onChoose: (bucket, byKey) => choose(bucket, byKey) });
const strip = new Strip(byId("strip"));
const picker = new Picker(byId("picker"), (colour, settled) => pick(colour, settled));
const picture = new Picture(
  { stage: byId("stage"), canvas: byId("picture"), said: byId("picture-said"), loupe: byId("loupe") },
  {
    onPick: (rgb) => pick(asked("rgb", rgb), true),
    onTrouble: (sentence) => fill(byId("picture-trouble"), sentence && problemNote(sentence)),
  },
);

/** Change the state: the page and its address. A slider on its way replaces the address, an act adds one. */
function go(changes, { replace = false } = {}) {
  const before = state;
  if (!replace) unsettled = null;
  state = { ...state, ...changes };
  const address = location.pathname + queryOf(state);
  if (replace) history.replaceState(null, "", address);
  else if (queryOf(before) !== queryOf(state)) history.pushState(null, "", address);
  refresh(before);
}

function pick(colour, settled) {
  const changes = { rgb: null, lab: null, bucket: null, page: 1, ...colour };
  if (settled && unsettled) {
    history.replaceState(null, "", location.pathname + queryOf(unsettled)); // one step back for all of it
    history.pushState(null, "", location.pathname + queryOf({ ...state, ...changes }));
    unsettled = null;
    go(changes, { replace: true });
    return;
  }
  if (!settled) unsettled ??= state;
  go(changes, { replace: !settled });
}

function choose(bucket, byKey = false) {
  go({ bucket, page: 1 });
  if (byKey) byId("tiles-heading").focus();
  else if (byId("tiles-heading").getBoundingClientRect().top > innerHeight - 40 || matchMedia("(max-width: 60rem)").matches) {
    byId("tiles-heading").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
}

/** Bring the page to the state. `before` is null for all of it. */
function refresh(before) {
  const changed = (...names) => !before || names.some((name) => before[name] !== state[name]);
  showControls();
  entitle(state.bucket !== null && `bucket ${state.bucket}`, state.page > 1 && `page ${state.page}`, state.lab ? `LAB ${state.lab}` : state.rgb, "Colours");
  if (changed("rgb", "lab")) {
    if (!before || (before.lab === null) !== (state.lab === null)) picker.setKind(state.lab === null ? "rgb" : "lab");
    askNearest();
  } else if (changed("bucket")) markChosen(byId("nearest"), state.bucket);
  if (changed("rgb", "lab", "bucket", "page")) askTiles();
  showPlane();
}

function showControls() {
  document.querySelector(`input[name=show][value=${state.show}]`).checked = true;
  byId("every").checked = state.lightness === null;
  if (state.lightness !== null) byId("lightness").value = state.lightness;
  byId("width").value = state.width;
  const [low, high] = [Math.max(0, state.lightness - state.width), Math.min(100, state.lightness + state.width)];
  byId("slice-said").textContent = state.lightness === null ? "L 0 to 100" : `L ${low} to ${high}`;
}

function showPlane() {
  if (!data) return;
  plane.show(state, nearest?.colour ?? null, nearest?.buckets.map((one) => one.bucket) ?? []);
  strip.show(state);
}

function bucketOf(number) {
  return { bucket: number, lab: data.lab[number], rgb: data.rgb[number], kept: data.kept[number], state: data.states[number] };
}

function pointed(number, byKey, x, y) {
  const tip = byId("tip");
  tip.hidden = number === null;
  if (number === null) return;
  tip.textContent = wordsOf(bucketOf(number));
  const room = byId("plane").clientWidth;
  tip.style.left = `${Math.min(Math.max(x, tip.offsetWidth / 2), room - tip.offsetWidth / 2)}px`;
  tip.style.top = `${y < 90 ? y + 18 : y - 18 - tip.offsetHeight}px`;
  if (byKey) announce(tip.textContent);
}

const colourAsked = () => (state.lab !== null ? { lab: state.lab } : { rgb: state.rgb ?? FIRST });

async function askNearest() {
  try {
    const found = await askFor("nearest", "/api/colours/nearest", { ...colourAsked(), k: 12 });
    if (!found) return;
    nearest = found;
    picker.show(found.colour, state);
    byId("nearest-said").textContent = nearestSaid(found, state.lab);
    showNearest(byId("nearest"), found.buckets, state.bucket, { onChoose: choose, onPoint: (number) => plane.point(number, false) });
    announce(`Nearest bucket ${found.buckets[0].bucket}, distance ${found.buckets[0].distance.toFixed(1)}`);
  } catch (error) {
    nearest = null;
    byId("nearest-said").textContent = "";
    fill(byId("nearest"), noteOf(error));
  }
  showPlane();
}

/** A note in a list. What is not built yet, or does not answer, is said aloud once, above; here it is only shown. */
function noteOf(error) {
  const note = problemNote(error, askAll);
  if (error.status !== 400) note.removeAttribute("role");
  return make("li", { class: "trouble" }, note);
}

/** Ask once more for all that is missing. */
function askAll() {
  refresh(null);
  if (!data) askLibrary();
}

async function askTiles() {
  const [heading, said, list] = [byId("tiles-heading"), byId("tiles-said"), byId("tiles")];
  const ofBucket = state.bucket !== null;
  heading.textContent = ofBucket ? `Tiles of bucket ${state.bucket}` : "Nearest tiles";
  byId("back-to-nearest").hidden = byId("pick-bucket").hidden = !ofBucket;
  list.setAttribute("aria-busy", "true");
  try {
    const found = ofBucket
      ? await askFor("tiles", `/api/colours/buckets/${state.bucket}`, { limit: LIMIT, page: state.page })
      : await askFor("tiles", "/api/colours/tiles", { ...colourAsked(), k: LIMIT });
    if (!found) return; // the newer question takes "busy" away
    const sources = sourcesOf(found.tiles);
    showTiles(list, found.tiles, sources);
    showRights(byId("rights"), sources);
    said.textContent = ofBucket
      ? `${MEANINGS[found.state]}, ${tilesOf(found.count)}; ${found.hits.toLocaleString("en")} judged tiles fell in it.${found.count ? " A place leads to the map, a source to its licence." : ""}`
      : `${tilesOf(found.tiles.length)} of the whole library, nearest first. A place leads to the map, a source to its licence.`;
    showPaging(ofBucket && found.pages > 1 ? found : null);
    if (ofBucket) announce(`Bucket ${state.bucket}: ${tilesOf(found.count)}`);
  } catch (error) {
    said.textContent = "";
    fill(list, noteOf(error));
    fill(byId("rights"));
    showPaging(null);
  }
  list.removeAttribute("aria-busy");
}

function showPaging(found) {
  byId("paging").hidden = !found;
  if (!found) return;
  byId("paging-said").textContent = `Page ${found.page} of ${found.pages}`;
  byId("previous").disabled = found.page <= 1;
  byId("next").disabled = found.page >= found.pages;
}

function showLibrary(found) {
  fill(byId("intro"), found.note ? problemNote(found.note) : make("p", { class: "note" }, INTRO));
  byId("filling-means").textContent = `1 to ${found.floor - 1} tiles`;
  byId("filled-means").textContent = `filled: ${found.floor} or more`;
  byId("full-means").textContent = `full: ${found.cap}`;
  for (const tally of document.querySelectorAll(".tally")) {
    const { show, state: name } = tally.dataset;
    tally.textContent = found.states.filter((one) => (show ? isShown(show, one) : one === name)).length.toLocaleString("en");
  }
  plane.take(found);
  strip.take(found);
  data = found;
}

/** The whole library, once. */
async function askLibrary() {
  const parts = { said: byId("coverage-said"), overall: byId("overall"), biomes: byId("biomes") };
  try {
    showLibrary(await ask("/api/colours"));
    showPlane();
  } catch (error) {
    data = null;
    fill(byId("intro"), problemNote(error, askAll));
  }
  try {
    showCoverage(parts, data?.summary ?? (await ask("/api/coverage")));
  } catch (error) {
    fill(parts.said, problemNote(error, askLibrary));
  }
}

function listen() {
  for (const radio of document.querySelectorAll("input[name=show]")) {
    radio.addEventListener("change", () => go({ show: radio.value }));
  }
  byId("every").addEventListener("change", (event) => go({ lightness: event.target.checked ? null : Number(byId("lightness").value) }));
  let before = null; // the state before a slide: one step back for all of it
  let slidAt = -Infinity; // keys end a slide with every press; those in quick succession are one
  byId("lightness").addEventListener("input", (event) => {
    before ??= state;
    go({ lightness: Number(event.target.value) }, { replace: true });
  });
  byId("lightness").addEventListener("change", () => {
    if (before && performance.now() - slidAt > 1000) {
      history.replaceState(null, "", location.pathname + queryOf(before));
      history.pushState(null, "", location.pathname + queryOf(state));
    }
    slidAt = performance.now();
    before = null;
    announce(`${byId("slice-said").textContent}: ${plane.shown.length} buckets`);
  });
  byId("width").addEventListener("change", (event) =>
    go({ width: Number(event.target.value), lightness: state.lightness ?? Number(byId("lightness").value) }));
  byId("back-to-nearest").addEventListener("click", () => { go({ bucket: null, page: 1 }); byId("tiles-heading").focus(); });
  byId("pick-bucket").addEventListener("click", () => { if (data) go({ rgb: null, lab: data.lab[state.bucket].join(",") }); });
  for (const [id, step] of [["previous", -1], ["next", 1]]) {
    byId(id).addEventListener("click", () => { go({ page: state.page + step }); byId("tiles-heading").focus(); });
  }
  byId("file").addEventListener("change", (event) => { if (event.target.files[0]) picture.load(event.target.files[0]); });
  byId("picture-away").addEventListener("click", () => { picture.remove(); byId("file").value = ""; byId("file").focus(); });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) picture.load(event.dataTransfer.files[0]);
  });
  addEventListener("popstate", () => { const old = state; unsettled = null; state = readState(location.search); refresh(old); });
}

listen();
refresh(null);
askLibrary();
