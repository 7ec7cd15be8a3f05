// The list of scenes, its pages, and what stands in its place while there is none.
import { addressOf, fill, make, momentOf, problemNote, synthetic } from "../common.js";
import { parametersOf } from "./state.js";

export const TITLES = { scenes: "Scenes", tiles: "Tiles", crops: "Crops", chips: "Chips", queries: "Queries", gallery: "Gallery" };
export const PAGE = 50;
const MOST = { json: 1000, geojson: 250 }; // scenes at a time

const part = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");

/** `1 scene`, `10,000 scenes`. */
export function scenesOf(count) {
  return `${number(count)} scene${count === 1 ? "" : "s"}`;
}

/** Nothing has been asked yet. */
export function showInvitation(onEverything) {
  clearList("Results", "");
  fill(part("state"), make("p", {}, "Which scenes show a place? Click a square of the map, drag a box, or type a place above."),
    make("button", { type: "button", onclick: onEverything }, "Show everything"));
}

/** A search is under way: what was there stays, dimmed, so that nothing jumps. */
export function showSearching() {
  part("results").setAttribute("aria-busy", "true");
  part("count").textContent = "Searching …";
}

/** The API said no, or nobody answered; `onAgain` asks once more. */
export function showProblem(error, onAgain) {
  clearList(error.status ? "No results" : "No answer", "");
  fill(part("state"), problemNote(error, onAgain));
}

function clearList(heading, asked) {
  part("results").removeAttribute("aria-busy");
  part("count").textContent = heading;
  fill(part("asked"), asked);
  fill(part("scenes"));
  part("paging").hidden = part("exports").hidden = true;
}

/** Show a page of scenes. `does.show(id)` and `does.others(id)` are what their buttons do, `does.widen` a list of ways out. */
export function showScenes(answer, state, asked, does) {
  part("results").removeAttribute("aria-busy");
  part("count").textContent = scenesOf(answer.count);
  fill(part("asked"), ...asked);
  fill(part("state"), answer.count === 0 && nothing(does.widen),
    answer.count > 0 && !answer.scenes.length && make("p", {}, `There is no page ${state.page}; the last is ${number(answer.pages)}.`));
  fill(part("scenes"), ...answer.scenes.map((scene) => item(scene, state, does)));
  showPaging(answer);
  showExports(answer, state);
}

function nothing(ways) {
  return make("div", {}, make("p", {}, `Nothing was found.${ways.length ? " Ask for more:" : ""}`),
    make("p", { class: "ways" }, ...ways.map(([text, onclick]) => make("button", { type: "button", onclick }, text))));
}

function item(scene, state, does) {
  const shown = state.show === scene.id, small = (name) => make("span", { class: "unseen" }, ` of ${name}`);
  const facts = [TITLES[scene.dataset] || scene.dataset, scene.platform !== scene.dataset && scene.platform, scene.instrument];
  const time = scene.time && make("time", { datetime: scene.time }, momentOf(scene.time));
  return make("li", { class: "scene", "data-id": scene.id }, thumbnail(scene),
    make("div", { class: "about" },
      make("h3", {}, scene.id), " ", scene.synthetic && synthetic(),
      make("p", { class: "facts" }, time, time && " · ", facts.filter(Boolean).join(" · ")),
      credit(scene),
      make("p", { class: "doing" },
        make("button", { type: "button", "aria-pressed": String(shown), onclick: () => does.show(shown ? null : scene.id) },
          shown ? "Hide squares" : "Show squares", small(scene.id)),
        make("button", { type: "button", onclick: () => does.others(scene.id) }, "Others here", small(scene.id)),
        scene.dataset !== "scenes" && make("a", { href: addressOf("/datasets", { dataset: scene.dataset, id: scene.id }) },
          "Details", small(scene.id)),
        isOurs(scene.picture) && make("a", { href: scene.picture, target: "_blank", rel: "noopener" }, "Picture", small(scene.id)))));
}

/** Source and licence; long ones are cut after two lines until somebody opens them. */
function credit({ source, licence }) {
  const text = [source, licence].filter(Boolean).join(" · ") || "No source or licence given";
  if (text.length <= 100) return make("p", { class: "credit" }, text);
  return make("details", { class: "credit" }, make("summary", {}, text));
}

const isOurs = (address) => typeof address === "string" && address.startsWith("/api/");

function thumbnail(scene) {
  const box = make("div", { class: "thumbnail" });
  if (isOurs(scene.thumbnail)) {
    const picture = make("img", { src: scene.thumbnail, alt: "", width: 76, height: 76, loading: "lazy", decoding: "async" });
    picture.addEventListener("error", () => picture.remove());
    box.append(picture);
  }
  return box;
}

/** Mark the scene whose squares are shown. */
export function markShown(id) {
  for (const row of part("scenes").children) {
    const button = row.querySelector("[aria-pressed]"), shown = row.dataset.id === id;
    button.setAttribute("aria-pressed", String(shown));
    button.firstChild.data = shown ? "Hide squares" : "Show squares";
  }
}

function showPaging({ page, pages }) {
  part("paging").hidden = pages < 2;
  part("page-of").textContent = `Page ${number(page)} of ${number(pages)}`;
  part("previous").disabled = page <= 1;
  part("next").disabled = page >= pages;
}

function showExports({ count }, state) {
  const link = (format, text) => make("a", { href: addressOf("/api/search",
    parametersOf(state, { format, limit: MOST[format], page: null })) },
    count > MOST[format] ? `${text} (first ${number(MOST[format])})` : text);
  part("exports").hidden = count === 0;
  fill(part("exports"), "Take them with you: ", link("json", "JSON"), " · ", link("geojson", "GeoJSON"), " · ", link("ids", "ids"));
}
