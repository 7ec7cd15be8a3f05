// The map page: the address is the question, the form and the map change the address, and the list follows it.
import { announce, ask, entitle, fill, make, sentenceOf, worded } from "./common.js";
import { placeBoxes, squaresOf, summaryOf } from "./map/answers.js";
import { makeDensity } from "./map/density.js";
import { readForm, writeDatasets, writeForm } from "./map/form.js";
import { drawSquares, lookAt, makeGlobe, setSize, setView, showWorld, viewNow } from "./map/globe.js";
import { choosePlaces, resizeCursor } from "./map/pointing.js";
import * as results from "./map/results.js";
import { sizeOf } from "./map/squares.js";
import * as states from "./map/state.js";

const part = (id) => document.getElementById(id);
const form = part("question");

let state = states.readState(location.search);
let [searched, shown, written] = [null, null, ""];
let [searching, touched, saving] = [null, false, 0];
const NO_NAMES = "Names of places are not known here. Type latitude and longitude, such as 42.8 S, 147.3 E, or click the map.";
let places = 0; // how many were chosen: what is typed takes time to be understood, and another may be chosen meanwhile

const globe = makeGlobe(part("map"), rested);
const pointing = choosePlaces(globe, part("pointed"), part("draw-box"), {
  onPoint: ([lng, lat]) => act(here(states.withPlace(state, { point: `${lng},${lat}` }))),
  onBox: (box) => act(here(states.withPlace(state, { box: box.join(",") }))),
});
const showDensity = makeDensity(globe, (code) => goTo({ code: [code] }));

/** What somebody did: a new entry in the browser's history. The map stays where it is, unless asked to look there. */
function act(next, look = false) {
  clearTimeout(saving);
  history.pushState(null, "", addressOf(next));
  return follow(next, look);
}

const here = (next) => ({ ...next, view: viewNow(globe) });

/** To another place, and look at it. */
function goTo(place) {
  return act({ ...states.withPlace(state, place), view: null }, true);
}

function addressOf(next) {
  const query = states.queryOf(next);
  return query ? `?${query}` : location.pathname;
}

/** Show a state: form, map, density, list. */
async function follow(next, look) {
  if (states.placeIn(next) !== states.placeIn(state)) places += 1;
  const sizeChanged = next.resolution !== globe.size;
  state = next;
  writeForm(form, state);
  writePlace();
  if (sizeChanged) {
    setSize(globe, state.resolution);
    resizeCursor(pointing);
  }
  showDensity(state);
  await Promise.all([search(look && !state.show), showSquares(look)]);
}

function writePlace() {
  const [lng, lat] = (state.point || "").split(",");
  const text = state.code.join("|") || (state.point && `${lat}, ${lng}`) || (state.box || "").replaceAll(",", " ");
  if (text === written) return;
  part("place").value = written = text;
  sayPlace("Type a c-square, latitude and longitude, or west south east north; or click a square.");
}

function sayPlace(text, wrong = false) {
  fill(part("said"), ...worded(text));
  part("said").classList.toggle("wrong", wrong);
  part("place").setAttribute("aria-invalid", String(wrong));
}

/** Ask for the scenes of the state, unless they are there already. */
async function search(look) {
  const question = states.questionOf(state);
  part("clear").hidden = !states.isAsked(state);
  if (question === searched) return;
  searching?.abort();
  searching = null;
  searched = question;
  if (!states.isAsked(state)) return forget();
  const mine = searching = new AbortController();
  results.showSearching();
  try {
    const answer = await ask("/api/search", states.parametersOf(state, { limit: results.PAGE }), { signal: mine.signal });
    const boxes = await placeBoxes(answer.place, state, mine.signal);
    if (mine === searching) await showAnswer(answer, boxes, look);
  } catch (error) {
    if (mine === searching) refuse(error);
  }
}

function forget() {
  entitle("Map");
  drawSquares(globe, "place", []);
  part("to-results").hidden = true;
  results.showInvitation(() => act({ ...state, page: "1" }));
}

function refuse(error) {
  if (error.name === "AbortError") return;
  searched = null; // to be asked again
  entitle("No results", "Map");
  drawSquares(globe, "place", []);
  part("to-results").hidden = true;
  results.showProblem(error, () => {
    askDatasets();
    return follow(state, false);
  });
  announce("");
}

function showAnswer(answer, boxes, look) {
  const summary = summaryOf(answer.place, boxes, state);
  entitle(summary, answer.page > 1 && `page ${answer.page}`, "Map");
  drawSquares(globe, "place", boxes);
  results.showScenes(answer, state, [boxes.length > 0 && make("span", { class: "key place" }), summary], {
    show: (id) => {
      // On a phone the map may have been scrolled away.
      if (id) document.querySelector(".map-side").scrollIntoView({ block: "nearest" });
      return act({ ...state, show: id, view: id ? null : state.view }, id !== null);
    },
    others: (id) => goTo({ scene: id }).then(toResults),
    widen: waysOut(),
  });
  part("to-results").hidden = false;
  part("to-results").textContent = results.scenesOf(answer.count);
  announce(`${results.scenesOf(answer.count)}: ${summary}${answer.pages > 1 ? `, page ${answer.page} of ${answer.pages}` : ""}`);
  if (look) lookAt(globe, boxes);
}

/** What to leave out, or to make larger, when nothing was found. */
function waysOut() {
  const sizes = ["0.5", "1", "5", "10"], larger = sizes[sizes.indexOf(state.resolution) + 1];
  const without = (text, change) => [text, () => act({ ...state, page: "1", ...change }).then(toResults)];
  return [
    (state.start || state.end) && without("At any time", { start: null, end: null }),
    state.dataset.length > 0 && without("In all data sets", { dataset: [] }),
    state.platform.length > 0 && without("On any platform", { platform: [] }),
    states.hasPlace(state) && larger && without(`In squares of ${larger}°`, { resolution: larger }),
    states.hasPlace(state) && ["Everywhere", () => act(states.withPlace(state, {})).then(toResults)],
  ].filter(Boolean);
}

/** Draw the squares of the scene that the state shows: those that the index has, whatever size is chosen. */
async function showSquares(look) {
  results.markShown(state.show);
  const wanted = state.show;
  if (wanted === shown) return;
  shown = wanted;
  if (!wanted) return drawSquares(globe, "shown", []);
  try {
    const answer = await squaresOf(wanted, "0.5");
    if (wanted !== shown) return;
    drawSquares(globe, "shown", answer.boxes);
    announce(`${answer.count.toLocaleString("en")} squares of ${state.show} are drawn`);
    if (look) lookAt(globe, answer.boxes);
  } catch (error) {
    if (wanted !== shown) return;
    shown = null;
    drawSquares(globe, "shown", []);
    sayPlace(sentenceOf(error), true);
  }
}

/** The map came to rest. Its view goes into the address once somebody has moved it by hand. */
function rested(view) {
  if (!touched) return;
  state = { ...state, view };
  clearTimeout(saving);
  saving = setTimeout(() => history.replaceState(null, "", addressOf(state)), 200);
}

/** How much there is of each data set. Where a question was asked, its own answer says what is wrong. */
async function askDatasets() {
  try {
    writeDatasets(form, await ask("/api/datasets"), state);
  } catch (error) {
    if (!states.isAsked(state)) results.showProblem(error, () => { forget(); askDatasets(); });
  }
}

async function understand(text) {
  const mine = places += 1;
  sayPlace("Looking it up …");
  try {
    const { parameters, said } = await ask("/api/place", { q: text });
    if (mine !== places) return;
    const codes = [parameters.code || []].flat();
    const resolution = parameters.resolution || (codes.length && sizeOf(codes[0].split("|")[0])) || state.resolution;
    await goTo({ ...parameters, code: codes, resolution: String(resolution) });
    sayPlace(said);
  } catch (error) {
    if (mine !== places) return;
    // Nothing but numbers and codes is understood.
    sayPlace(error.status === 400 && !/\d/.test(text) ? NO_NAMES : sentenceOf(error), true);
    announce(part("said").textContent);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = part("place").value.trim();
  if (text && text !== written) return understand(text);
  searched = null;
  const next = text || state.scene ? { ...state, page: "1" } : states.withPlace(state, {});
  return act(next);
});

form.addEventListener("change", (event) => {
  if (event.target.id === "place" || !event.target.checkValidity()) return;
  const next = readForm(form, state), asked = states.isAsked(next);
  const same = states.questionOf({ ...next, page: null }) === states.questionOf({ ...state, page: null });
  act({ ...next, page: same ? state.page : asked ? "1" : null });
});

function turnPage(by) {
  act({ ...state, page: String(Number(state.page || 1) + by), show: null }).then(toResults);
}

/** Begin at the top of the list; what was pressed may be gone with the list before. */
function toResults() {
  part("results").focus({ preventScroll: true });
  part("results").scrollIntoView();
}

part("previous").addEventListener("click", () => turnPage(-1));
part("next").addEventListener("click", () => turnPage(1));
part("clear").addEventListener("click", () => {
  act({ ...states.readState(""), resolution: state.resolution, density: state.density, view: state.view });
  part("place").focus();
});
part("to-results").addEventListener("click", (event) => {
  event.preventDefault();
  toResults();
});
part("zoom-in").addEventListener("click", () => globe.map.zoomIn());
part("zoom-out").addEventListener("click", () => globe.map.zoomOut());
part("zoom-world").addEventListener("click", () => showWorld(globe));
part("densest-part").addEventListener("toggle", () => showDensity(state));
for (const kind of ["pointerdown", "wheel", "keydown"]) {
  document.querySelector(".map-side").addEventListener(kind, () => { touched = true; }, { capture: true, passive: true });
}

window.addEventListener("popstate", () => {
  clearTimeout(saving);
  const next = states.readState(location.search);
  if (next.view) setView(globe, next.view);
  else if (!states.hasPlace(next) && !next.show) showWorld(globe, false);
  clearTimeout(saving);
  follow(next, next.view === null);
});

if (state.view) setView(globe, state.view);
follow(state, state.view === null);
askDatasets();
