// The page of the assets: each group of the lineage as a table.
import { announce, ask, fill, make, momentOf, problemNote, sizeOf, textOf, worded } from "./common.js";

const COLUMNS = ["Asset", "Rows", "Size", "Changed", "Dagster"];

function nameCell(asset) {
  const name = asset.page ? make("a", { href: asset.page, class: "asset" }, asset.name) : asset.name;
  const after = asset.after.flatMap((one, number) => [number ? ", " : "", make("a", { href: `#${one}` }, one)]);
  return [
    make("strong", {}, name), make("span", { class: "line" }, asset.line),
    after.length ? make("span", { class: "after" }, "made from ", ...after) : null,
  ];
}

function rowsCell(asset) {
  if (asset.problem) return [make("span", { class: "problem" }, asset.problem)];
  if (!asset.built) return [make("span", { class: "absent" }, "not built yet")];
  return [asset.rows === null ? "" : `${textOf(asset.rows)} ${asset.unit}`];
}

function sizeCell(asset) {
  if (!asset.files) return [""];
  const files = `${textOf(asset.files)} file${asset.files === 1 ? "" : "s"}`;
  return [sizeOf(asset.bytes), make("span", { class: "line" }, asset.more ? `more than ${files}` : files)];
}

function dagsterCell(asset) {
  const state = asset.latest
    ? make("span", { class: `state ${asset.latest.status.toLowerCase()}` }, `${asset.latest.status.toLowerCase()}, ${momentOf(asset.latest.time)}`)
    : null;
  if (!asset.dagster) return [""];
  return [make("a", { href: asset.dagster, class: "asset", rel: "noreferrer" }, "Open in Dagster"), make("br"), state ?? make("span", { class: "absent" }, "never run")];
}

function row(asset) {
  const cells = [nameCell(asset), rowsCell(asset), sizeCell(asset), [momentOf(asset.changed)], dagsterCell(asset)];
  return make("tr", { id: asset.name }, ...cells.map((content, number) =>
    make("td", { "data-heading": number && content[0] ? COLUMNS[number] : null }, ...content.filter((one) => one !== null))));
}

function groupTable(assets, caption) {
  return make(
    "table", {}, make("caption", { class: "unseen" }, caption),
    make("thead", {}, make("tr", {}, ...COLUMNS.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...assets.map(row)),
  );
}

function showAssets({ dagster, assets }) {
  fill(document.getElementById("dagster"), ...(dagster
    ? ["The Dagster UI runs at ", make("a", { href: dagster }, dagster), "."]
    : worded("The Dagster UI does not run at the address that was given (`--dagster-url`); `make ui` starts it.")));
  for (const group of new Set(assets.map((asset) => asset.group))) {
    const place = document.getElementById(group);
    const title = document.getElementById(`${group}-title`).textContent;
    fill(place, groupTable(assets.filter((asset) => asset.group === group), title));
  }
  document.getElementById("groups").classList.remove("waiting");
  announce(`${assets.filter((asset) => asset.built).length} of ${assets.length} assets are built`);
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

async function begin() {
  const said = document.getElementById("dagster");
  fill(said, "Counting files and asking the Dagster UI.");
  try {
    showAssets(await ask("/api/assets"));
  } catch (error) {
    fill(said, problemNote(error, begin));
  }
}

begin();
