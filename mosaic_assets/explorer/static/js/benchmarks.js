// The page of the benchmarks: their tables, sorted as the address says, and their plots.
import { announce, ask, fill, make, momentOf, picture, problemNote, synthetic, textOf, worded } from "./common.js";

const HEADINGS = {
  iou: "IoU", f1: "F1", psnr: "PSNR, dB", ssim: "SSIM", mse: "MSE", seconds: "seconds", processor_s: "processor, s", bits_a_pixel: "bits a pixel",
  encode_mb_s: "encode, MB/s", decode_mb_s: "decode, MB/s", reference_cloud: "cloud in reference", cloud: "cloud found",
  within_25_m: "within 25 m", within_100_m: "within 100 m", within_1000_m: "within 1,000 m", median_m: "median, m", false_accepts: "false accepts",
};
const BESIDE = 2; // plots beside the table; further ones stand below

const titleOf = (column) => HEADINGS[column] ?? column.replaceAll("_", " ");
const keyOf = (benchmark, table) => (table.title ? `${benchmark.name}/${table.title}` : benchmark.name);

/** How the address wants a table sorted: `sort=clouds.iou.descending`, once for each table. */
function orderOf(key) {
  for (const one of new URLSearchParams(location.search).getAll("sort")) {
    const [table, column, order] = one.split(".");
    if (table === key && ["ascending", "descending"].includes(order)) return { column, order };
  }
  return null;
}

function sortBy(key, column, order) {
  const given = new URLSearchParams(location.search);
  const others = given.getAll("sort").filter((one) => one.split(".")[0] !== key);
  given.delete("sort");
  for (const one of [...others, `${key}.${column}.${order}`]) given.append("sort", one);
  history.pushState(null, "", `${location.pathname}?${given}${location.hash}`);
}

/** Rows in an order: numbers by size, texts by letters, empty ones last. */
function sorted(rows, { column, order }) {
  const sign = order === "ascending" ? 1 : -1;
  const isEmpty = (value) => value === null || value === undefined || value === "";
  return [...rows].sort((one, other) => {
    const [a, b] = [one[column], other[column]];
    if (isEmpty(a) || isEmpty(b)) return Number(isEmpty(a)) - Number(isEmpty(b));
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  });
}

function sortableTable(benchmark, data) {
  const key = keyOf(benchmark, data);
  const numeric = (column) => data.rows.some((row) => typeof row[column] === "number")
    && data.rows.every((row) => row[column] === null || typeof row[column] === "number");
  const body = make("tbody");
  const heads = data.columns.map((column) => make(
    "th", { scope: "col", class: numeric(column) ? "number" : null },
    make("button", { type: "button", "data-column": column, onclick: () => {
      const now = orderOf(key);
      const first = numeric(column) ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const order = now?.column === column && now.order === first ? second : first;
      sortBy(key, column, order);
      draw();
      announce(`${benchmark.title}: sorted by ${titleOf(column)}, ${order}`);
    } }, titleOf(column)),
  ));
  const cell = (row, column) => make(
    "td", { class: numeric(column) ? "number" : null },
    typeof row[column] === "boolean" ? (row[column] ? "yes" : "no") : textOf(row[column]),
  );

  function draw() {
    const wanted = orderOf(key);
    const order = wanted && data.columns.includes(wanted.column) ? wanted : null;
    heads.forEach((head, number) => {
      if (order && data.columns[number] === order.column) head.setAttribute("aria-sort", order.order);
      else head.removeAttribute("aria-sort");
    });
    const rows = order ? sorted(data.rows, order) : data.rows;
    fill(body, ...rows.map((row) => make("tr", {}, ...data.columns.map((column) => cell(row, column)))));
  }
  draw();
  const caption = data.title || `${benchmark.title}: results`;
  const table = make(
    "table", {}, make("caption", { class: data.title ? null : "unseen" }, caption),
    make("thead", {}, make("tr", {}, ...heads)), body,
  );
  return { element: make("div", { class: "tall", tabindex: "0", role: "region", "aria-label": caption }, table), draw };
}

const redraws = [];

function plotsOf(benchmark) {
  return benchmark.plots.map((plot) => make(
    "figure", {},
    make("a", { href: plot.address, "aria-label": `${plot.title}, in full size` },
      picture({ src: plot.address, alt: plot.alt, loading: "lazy", width: 800, height: 600 })),
    make("figcaption", {}, `${plot.title[0].toUpperCase()}${plot.title.slice(1)}. ${plot.alt}`),
  ));
}

function show(benchmark) {
  const section = document.getElementById(benchmark.name);
  const made = benchmark.made
    ? ` Measured on ${benchmark.measured_on}; made ${momentOf(benchmark.made)} by ${benchmark.asset} or \`${benchmark.command}\`. ` : "";
  fill(section.querySelector(".about"), benchmark.about, ...worded(made), benchmark.synthetic ? synthetic() : null);
  const content = section.querySelector(".content");
  if (!benchmark.built) {
    fill(content, make("p", { class: "problem" }, ...worded(benchmark.missing)));
    return;
  }
  const tables = benchmark.tables.map((data) => sortableTable(benchmark, data));
  redraws.push(...tables.map((one) => one.draw));
  const notes = benchmark.notes.map((note) => make("li", {}, `${note.method}: ${note.note} (${note.measurements} measurements)`));
  const plots = plotsOf(benchmark);
  fill(
    content,
    make("div", { class: "beside" },
      make("div", { class: "tables" }, ...tables.map((one) => one.element), notes.length ? make("ul", { class: "note" }, ...notes) : null),
      make("div", { class: "plots" }, ...plots.slice(0, BESIDE))),
    plots.length > BESIDE ? make("div", { class: "more plots" }, ...plots.slice(BESIDE)) : null,
  );
}

window.addEventListener("popstate", () => redraws.forEach((draw) => draw()));
async function begin() {
  const first = document.querySelector(".benchmark .content");
  fill(first, make("p", { class: "note" }, "Reading the measurements …"));
  try {
    const { benchmarks } = await ask("/api/benchmarks");
    benchmarks.forEach(show);
    announce("The benchmarks are shown");
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  } catch (error) {
    fill(first, problemNote(error, begin));
  }
}

begin();
