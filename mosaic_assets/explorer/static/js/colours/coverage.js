// What the library covers, and what steering makes of each biome.

import { fill, make, synthetic, table, textOf } from "../common.js";

const COLUMNS = [
  ["name", "biome"], ["status", "status"], ["why", "why"], ["rounds", "rounds"], ["asked", "asked"], ["kept", "kept"],
  ["buckets", "seen"], ["filled", "filled"], ["reachable", "within reach"], ["finds", "finds new, %"],
  ["new per 1,000", "new per 1,000"],
];

/** Show the answer of /api/coverage. */
export function showCoverage({ said, overall, biomes }, found) {
  fill(said,
    make("strong", { class: found.target_met ? "good" : "" }, found.target_met ? "Target met. " : "Target not met. "),
    `${found.summary}. `, found.synthetic && synthetic());
  fill(overall, ...figuresOf(found).map(([name, value, more]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, make("strong", {}, value), more ? ` ${more}` : ""))));
  const rows = found.biomes.map((row) => ({
    ...row,
    name: row.biome.replaceAll("_", " "),
    status: make("span", { class: `status ${row.status}` }, row.status),
    why: make("span", { class: "why" }, row.why),
    finds: Math.round(1000 * row["discovery rate"]) / 10,
  }));
  fill(biomes, table(rows, COLUMNS, "Biomes, their coverage and steering's verdict"));
}

function figuresOf({ tiles, asked, buckets_with_tiles: holding, outcomes, overall }) {
  const lost = Object.entries(outcomes).filter(([name]) => name !== "kept").map(([name, count]) => `${textOf(count)} ${name.replaceAll("_", " ")}`);
  return [
    ["Tiles", textOf(tiles), `in ${textOf(holding)} buckets`],
    ["Filled buckets", textOf(overall.filled), `${(100 * overall.share).toFixed(0)} % of those within reach`],
    ["Buckets seen", textOf(overall.seen), `of about ${textOf(Math.round(overall.reachable))} within reach`],
    ["Next tile in a new bucket", `${(100 * overall.discovery_rate).toFixed(1)} %`, "likely"],
    ["1,000 more tiles", overall.new_per_1000.toFixed(1), "new buckets"],
    ["Asked for", textOf(asked), lost.length ? `tiles; not kept: ${lost.join(", ")}` : "tiles"],
  ];
}
