// Tiles of the colour library: they are found by colour; here is one by its id.
import { addressOf, ask, make, momentOf } from "../common.js";
import { boxText, facts, heading, largePicture, mapLinks, two } from "./pieces.js";

export const tiles = {
  title: "Tiles",
  about: "Tiles of the colour library, sorted into 5,000 buckets by their mean colour.",
  rows: "tiles",
  filters: [],
  list: async () => ({ tiles: [] }),
  summary: () => [make("p", {}, "They are found by colour: ", make("a", { href: "/colours" }, "the colour page"), ", or by place: ",
    make("a", { href: "/?dataset=tiles" }, "the map"), ".")],
  find: (id) => ask("/api/tiles", { id }),
  card: () => make("span"),
  item(row) {
    return [two(
      [largePicture(row, row.picture, `Tile ${row.id}`)],
      [
        heading("Tile"),
        facts([
          ["Bucket", make("a", { href: addressOf("/colours", { lab: row.lab.map((number) => number.toFixed(3)).join(","), bucket: row.bucket_id }) },
            `${row.bucket_id}, its tiles and nearest buckets`)], ["Mean colour, L* a* b*", row.lab.map((number) => number.toFixed(1)).join(", ")], ["pHash", row.phash],
          ["Biome", row.biome], ["Round", row.round], ["C-square", row.csquare], ["Bounds", boxText(row.bounds)],
        ]),
        mapLinks(row.id, row.bounds),
        heading("File"),
        facts([
          ["Path", row.filepath], ["SHA-256 of the source's bytes", row.sha256], ["Source", `${row.source}, ${row.imagery} ${row.release}`],
          ["z, x, y", `${row.z}, ${row.x}, ${row.y}`], ["Fetched", momentOf(row.fetched_at)], ["Licence", row.licence], ["Attribution", row.attribution],
        ]),
      ],
    )];
  },
};
