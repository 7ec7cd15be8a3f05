// The page of the data sets: what the address asks for, as a list of cards or as one item.
import { announce, ask, entitle, fill, make, problemNote, textOf } from "./common.js";
import { chips } from "./datasets/chips.js";
import { crops } from "./datasets/crops.js";
import { gallery } from "./datasets/gallery.js";
import { queries } from "./datasets/queries.js";
import { tiles } from "./datasets/tiles.js";
import { pager } from "./datasets/pieces.js";

const SETS = { crops, chips, gallery, queries, tiles };
const at = (id) => document.getElementById(id);
let asked = 0;
let before = { dataset: null, id: null };

/** What the address asks for: the data set, its filters, and perhaps an item. */
function stateOf(search) {
  const given = new URLSearchParams(search);
  const dataset = SETS[given.get("dataset")] ? given.get("dataset") : "crops";
  return { dataset, set: SETS[dataset], given };
}

/** Address of this page with some parameters changed; null takes one away. */
function addressWith(given, changes) {
  const next = new URLSearchParams(given);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  return `/datasets?${next}`;
}

function go(address, focus = null) {
  history.pushState(null, "", address);
  show(focus);
}

async function show(focus = null) {
  const { dataset, set, given } = stateOf(location.search);
  const mine = (asked += 1);
  const id = given.get("id");
  entitle(...titleOf(set, given), "Datasets");
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.dataset.dataset === dataset) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  at("about").textContent = set.about;
  at("list-title").textContent = set.title;
  at("list").hidden = id !== null;
  at("item").hidden = id === null;
  const region = id === null ? at("list") : at("item");
  // What belongs to something else must not stand below this title while the answer is under way.
  const failed = region.querySelector(".problem") !== null;
  if (id === null && (failed || dataset !== before.dataset)) clearList("Reading …");
  if (id !== null && (failed || id !== before.id)) fill(at("item-content"), make("p", { class: "note" }, "Reading …"));
  before = { dataset: id === null ? dataset : before.dataset, id: id ?? before.id };
  region.classList.add("busy");
  region.setAttribute("aria-busy", "true");
  if (id === null) drawFilters(set, given, null); // what is not known yet keeps its place
  const isLate = () => mine !== asked; // another question was asked meanwhile
  try {
    if (id === null) await showList(set, given, isLate);
    else await showItem(set, given, id, isLate);
  } finally {
    if (!isLate()) {
      region.classList.remove("busy");
      region.removeAttribute("aria-busy");
      if (focus) at(focus)?.focus({ preventScroll: true });
    }
  }
}

async function showList(set, given, isLate) {
  try {
    const answer = set.list ? await set.list(given) : await ask(set.path, questionOf(set, given));
    if (isLate()) return;
    const rows = answer[set.rows] ?? [];
    drawFilters(set, given, answer);
    at("count").textContent = set.list ? "" : countOf(answer, rows.length);
    fill(at("summary"), ...(set.summary ? set.summary(answer) : []));
    fill(at("grid"), ...rows.map((row) => make("li", {}, set.card(row, addressWith(given, { id: row.id })))));
    fill(at("pager"), ...pager(answer, (page) => addressWith(given, { page: page === 1 ? null : page })));
    announce(set.list ? set.title : `${set.title}: ${at("count").textContent}`);
  } catch (error) {
    if (isLate()) return;
    clearList("");
    fill(at("summary"), problemNote(error, () => show()));
  }
}

async function showItem(set, given, id, isLate) {
  at("back").setAttribute("href", addressWith(given, { id: null, labels: null }));
  at("back").textContent = `All ${set.title.toLowerCase()}`;
  at("item-title").textContent = id.split("/").pop();
  try {
    const answer = set.find ? await set.find(id) : await ask(set.path, { id });
    if (isLate()) return;
    const [row] = answer[set.rows];
    fill(at("item-content"), ...set.item(row, answer, { given, change: (changes) => changeQuietly(given, changes) }));
    announce(`${set.title}: ${id}`);
  } catch (error) {
    if (!isLate()) fill(at("item-content"), problemNote(error, () => show()));
  }
}

function clearList(said) {
  for (const id of ["summary", "grid", "pager"]) fill(at(id));
  at("count").textContent = said;
}

/** What the page shows, for its title: the item, or the filters and the page of the list. */
function titleOf(set, given) {
  if (given.get("id")) return [given.get("id").split("/").pop(), set.title];
  const page = given.get("page");
  return [...set.filters.map(({ name, label }) => given.get(name) && `${label} ${given.get(name).replaceAll("_", " ")}`), page && `page ${page}`, set.title];
}

/** Put a switch of the item into the address, without asking anew. */
function changeQuietly(given, changes) {
  const address = addressWith(given, changes);
  for (const [name, value] of Object.entries(changes)) value === null ? given.delete(name) : given.set(name, value);
  history.pushState(null, "", address);
}

function questionOf(set, given) {
  const names = ["page", "limit", ...set.filters.map((filter) => filter.name)];
  return Object.fromEntries(names.map((name) => [name, given.get(name)]));
}

function countOf(answer, shown) {
  if (!answer.count) return "Nothing matches; choose other filters.";
  const first = (answer.page - 1) * answer.limit + 1;
  if (!shown) return `${textOf(answer.count)} items, none on page ${textOf(answer.page)}.`;
  return `${textOf(first)} to ${textOf(first + shown - 1)} of ${textOf(answer.count)}`;
}

/** Draw the filters; without an answer only their places and what is chosen. */
function drawFilters(set, given, answer) {
  const form = at("filters");
  const names = set.filters.map((filter) => filter.name).join(" ");
  if (!answer && form.dataset.names === names) return;
  form.dataset.names = names;
  const focused = form.contains(document.activeElement) ? document.activeElement.name : null;
  fill(form, ...set.filters.map((filter) => {
    const chosen = given.get(filter.name) ?? (answer && filter.value?.(answer)) ?? "";
    const options = answer ? filter.options(answer) : [];
    if ((chosen || !answer) && !options.some(([value]) => String(value) === chosen)) options.push([chosen, chosen]);
    const select = make(
      "select", { name: filter.name, onchange: (event) =>
        go(addressWith(given, { [filter.name]: event.target.value, page: null })) },
      ...options.map(([value, text]) => make("option", { value, selected: String(value) === String(chosen) }, text)),
    );
    return make("label", {}, filter.label, select);
  }));
  if (focused) form.elements.namedItem(focused)?.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/datasets?']");
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.target) return;
  event.preventDefault();
  const address = link.getAttribute("href");
  const isItem = new URLSearchParams(address.slice(address.indexOf("?"))).has("id");
  go(address, isItem ? "item-title" : link.closest(".tabs") ? null : "list-title");
  window.scrollTo({ top: 0 });
});
at("filters").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("popstate", () => show(new URLSearchParams(location.search).has("id") ? "item-title" : "list-title"));
show();
