// Pieces of cards and items that all data sets share.
import { make, picture, synthetic, textOf } from "../common.js";

/** A card: a picture in a box of fixed shape above lines of text, all of it one link. */
export function card(row, address, { alt, title, lines = [], pixels = false, none = "no picture" }) {
  const shown = row.thumbnail
    ? picture({ src: row.thumbnail, alt, loading: "lazy", width: 256, height: 256 })
    : make("span", { class: "none" }, none);
  return make(
    "a", { class: "card", href: address },
    make("span", { class: pixels ? "frame pixels" : "frame" }, shown),
    make(
      "span", { class: "caption" },
      make("strong", {}, title),
      ...lines.map((line) => (line instanceof Node ? line : make("span", {}, line))),
      row.synthetic ? make("span", {}, synthetic()) : null,
      row.thumbnail ? make("span", { class: "credit", title: creditOf(row) }, creditOf(row)) : null,
    ),
  );
}

/** What has to stand beside a picture: who made it and under which licence. */
export function creditOf(row) {
  const licence = row.licence ? `Licence: ${row.licence}` : "";
  const said = [row.attribution, licence].filter(Boolean).map((text) => text.replace(/\.$/, ""));
  return said.length ? `${said.join(". ")}.` : "Licence and attribution are not stated.";
}

/** A large picture with what has to stand beside it. */
export function largePicture(row, address, alt, { pixels = false } = {}) {
  const shown = address
    ? picture({ src: address, alt, width: 1024, height: 1024, class: pixels ? "pixels" : null })
    : make("span", { class: "none" }, `There is no picture: ${alt}`);
  return make(
    "figure", { class: "large" },
    make("div", { class: "frame" }, shown),
    address ? make("figcaption", { class: "credit" }, row.synthetic ? synthetic() : null, row.synthetic ? " " : "", creditOf(row)) : null,
  );
}

/** Fields of an item; `pairs` are [name, value], of which empty ones are left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("dl", { class: "facts" }, ...shown.flatMap(([name, value]) => [
    make("dt", {}, name),
    make("dd", {}, value instanceof Node ? value : textOf(value)),
  ]));
}

/** Links to an item's place on the map; `id` only of what the index of places has. */
export function mapLinks(id, bounds) {
  const links = [];
  const shown = id ? `&show=${encodeURIComponent(id)}` : "";
  if (bounds) links.push(["Its place on the map", `/?box=${bounds.map((number) => number.toFixed(5)).join(",")}${shown}`]);
  if (id) links.push(["All that shares squares with it", `/?scene=${encodeURIComponent(id)}`]);
  return make("ul", { class: "links" }, ...links.map(([text, href]) => make("li", {}, make("a", { href }, text))));
}

/** The links of a pager. */
export function pager(answer, addressOf) {
  if (!answer.pages || answer.pages < 2) return [];
  const step = (text, page, there) =>
    there ? make("a", { href: addressOf(page) }, text) : make("span", { class: "off" }, text);
  return [
    step("Previous", Math.min(answer.page - 1, answer.pages), answer.page > 1),
    make("span", {}, `Page ${textOf(answer.page)} of ${textOf(answer.pages)}`),
    step("Next", answer.page + 1, answer.page < answer.pages),
  ];
}

/** A share as per cent. */
export function percent(share) {
  if (share === null || share === undefined) return "";
  if (share > 0 && share < 0.001) return "under 0.1 %";
  return `${(100 * share).toFixed(share >= 0.1 || share === 0 ? 0 : 1)} %`;
}

/** A box as text. */
export function boxText(bounds) {
  if (!bounds) return "";
  const [west, south, east, north] = bounds.map((number) => number.toFixed(4));
  return `west ${west}°, south ${south}°, east ${east}°, north ${north}°`;
}

/** Two columns: what there is to see, and what there is to read. */
export function two(left, right) {
  return make("div", { class: "two" }, make("div", {}, ...left), make("div", {}, ...right));
}

export const heading = (text) => make("h3", {}, text);
