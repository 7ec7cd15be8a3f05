// Nearest buckets, tiles, and who is to be named for them.

import { addressOf, fill, make, synthetic } from "../common.js";

export const MEANINGS = {
  empty: "not seen", seen: "seen, nothing kept", filling: "below the floor", filled: "filled", full: "full",
};

const NOTHING = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"; // one clear pixel

/** A bucket in words. */
export function wordsOf(bucket) {
  const [l, a, b] = bucket.lab.map((value) => value.toFixed(1).replace("-", "\u2212"));
  return `Bucket ${bucket.bucket}: ${MEANINGS[bucket.state]}, ${tilesOf(bucket.kept)}; L ${l}, a ${a}, b ${b}`;
}

/** `1 tile`, `2 tiles`. */
export function tilesOf(count) {
  return `${count.toLocaleString("en")} ${count === 1 ? "tile" : "tiles"}`;
}

/** Show the nearest buckets as buttons. */
export function showNearest(list, buckets, chosen, { onChoose, onPoint }) {
  fill(list, ...buckets.map((bucket) => {
    const swatch = make("span", { class: "swatch" });
    swatch.style.background = bucket.rgb;
    return make("li", {},
      make("button", {
        type: "button", class: "bucket", "aria-pressed": String(bucket.bucket === chosen), "data-bucket": bucket.bucket,
        onclick: () => onChoose(bucket.bucket),
        onpointerenter: () => onPoint(bucket.bucket), onpointerleave: () => onPoint(null),
        onfocus: () => onPoint(bucket.bucket), onblur: () => onPoint(null),
      },
      swatch,
      make("span", { class: "facts" },
        make("strong", {}, make("span", { class: "unseen" }, "Bucket "), String(bucket.bucket)),
        make("span", {}, make("span", { class: "unseen" }, ", "), `ΔE ${bucket.distance.toFixed(1)}`, make("span", { class: "unseen" }, ", ")),
        make("span", { class: "small" }, bucket.kept ? `${bucket.state}, ${tilesOf(bucket.kept)}` : MEANINGS[bucket.state]))));
  }));
}

/** What stands above the nearest buckets; `asked` is the LAB text, if it was one. */
export function nearestSaid({ colour, buckets: [first] }, asked) {
  const named = `${asked !== null ? `LAB ${asked}` : colour.rgb}: a tile of it would go into bucket ${first.bucket}. ΔE is CIE76.`;
  return colour.in_srgb ? named : `${named} Outside sRGB; a screen shows the nearest that it can.`;
}

/** Mark the chosen one of the buckets that are shown. */
export function markChosen(list, chosen) {
  for (const button of list.querySelectorAll("button.bucket")) {
    button.setAttribute("aria-pressed", String(button.dataset.bucket === String(chosen)));
  }
}

/** Show tiles as cards. */
export function showTiles(list, tiles, sources) {
  fill(list, ...tiles.map((tile) => make("li", { class: "tile", "data-id": tile.id },
    make("a", { href: addressOf("/datasets", { dataset: "tiles", id: tile.id }), class: "thumb" },
      thumbnail(tile), tile.synthetic && synthetic()),
    make("p", { class: "small" },
      tile.distance === undefined ? null : make("strong", {}, `ΔE ${tile.distance.toFixed(1)} `),
      tile.biome.replaceAll("_", " ")),
    make("p", { class: "small" },
      make("a", { class: "place", href: mapLink(tile), "aria-label": `${placeOf(tile)} on the map` }, placeOf(tile))),
    make("p", { class: "small" }, creditOf(tile, sources)))));
}

/** The source of a tile, with a link to what is said of it below. */
function creditOf(tile, sources) {
  const { number } = sources.get(rightsOf(tile));
  return make("a", { href: `#source-${number}` }, `${tile.source} [${number}]`, make("span", { class: "unseen" }, ", attribution and licence"));
}

/** The sources of tiles, numbered: each combination of source, licence and attribution once. */
export function sourcesOf(tiles) {
  const sources = new Map();
  for (const tile of tiles) {
    if (!sources.has(rightsOf(tile))) sources.set(rightsOf(tile), { number: sources.size + 1, tile });
  }
  return sources;
}

/** Say who is to be named and what is allowed. */
export function showRights(place, sources) {
  fill(place, ...[...sources.values()].map(({ number, tile }) => make("p", { id: `source-${number}` },
    `[${number}] `, make("strong", {}, tile.source), ", release ", tile.release, " ",
    tile.synthetic && synthetic(),
    ` ${stopped(tile.attribution)} Licence: ${stopped(tile.licence)}`)));
}

function rightsOf(tile) {
  return JSON.stringify([tile.source, tile.release, tile.licence, tile.attribution, tile.synthetic]);
}

function stopped(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function thumbnail(tile) {
  const image = make("img", {
    src: tile.thumbnail, alt: `Tile of ${tile.biome.replaceAll("_", " ")} at ${placeOf(tile)}`, width: 128, height: 128,
    loading: "lazy", decoding: "async",
  });
  image.addEventListener("error", () => { image.src = NOTHING; }, { once: true });
  image.style.background = tile.rgb; // until the picture is there, its mean colour
  return image;
}

function middleOf({ bounds: [west, south, east, north] }) {
  return [(west + east) / 2, (south + north) / 2];
}

function placeOf(tile) {
  const [lng, lat] = middleOf(tile);
  return `${Math.abs(lat).toFixed(2)} ${lat < 0 ? "S" : "N"}, ${Math.abs(lng).toFixed(2)} ${lng < 0 ? "W" : "E"}`;
}

function mapLink(tile) {
  const point = middleOf(tile).map((value) => Number(value.toFixed(6))).join(",");
  return `/?${new URLSearchParams({ point, resolution: "0.5", dataset: "tiles" })}`;
}
