// Crops of Sentinel-3 scenes with the numbers that screening went by.
import { make, momentOf, sizeOf } from "../common.js";
import { boxText, card, facts, heading, largePicture, mapLinks, percent, two } from "./pieces.js";

const words = (text) => text.replaceAll("_", " ");

export const crops = {
  title: "Crops",
  about: "The middle 1,024 x 1,024 pixels of Sentinel-3 OLCI scenes. Scenes that were not kept are here too, with the reason.",
  path: "/api/crops",
  rows: "crops",
  filters: [
    {
      name: "day", label: "Day",
      options: (answer) => [["", "All days"], ...answer.days.map((one) => [one.day, `${one.day} (${one.kept} of ${one.scenes} kept)`])],
    },
    {
      name: "outcome", label: "Outcome",
      options: (answer) => [["", "All outcomes"], ...Object.entries(answer.outcomes).map(([name, count]) => [name, `${words(name)} (${count})`])],
    },
  ],
  card(row, address) {
    const shares = [["cloud", row.cloud], ["water", row.water], ["no data", row.fill]]
      .filter(([, share]) => share !== null).map(([name, share]) => `${name} ${percent(share)}`).join(", ");
    return card(row, address, {
      alt: `Crop of ${row.mission}, ${momentOf(row.time)}`,
      title: `${momentOf(row.time)}, ${row.mission}`,
      none: words(row.outcome),
      lines: [
        make("span", { class: row.outcome === "kept" ? "good" : "bad" }, words(row.outcome)),
        shares || "not measured",
        row.entropy === null ? "" : `entropy ${row.entropy.toFixed(2)} bits`,
      ].filter((line) => line instanceof Node || line),
    });
  },
  item(row) {
    return [two(
      [largePicture(row, row.picture, row.picture ? `Crop of ${row.mission}, ${momentOf(row.time)}` : row.why || words(row.outcome))],
      [
        heading("What became of it"),
        facts([["Outcome", words(row.outcome)], ["Why", row.why]]),
        heading("Screening"),
        facts([
          ["No data", percent(row.fill)], ["Saturated", percent(row.saturated)], ["Cloud", percent(row.cloud)],
          ["Open water", percent(row.water)], ["Texture (0 to 1)", row.texture], ["Entropy, bits", row.entropy],
        ]),
        heading("Scene"),
        facts([
          ["Product", row.id], ["Sensed", momentOf(row.time)], ["Satellite", row.mission], ["Relative orbit", row.relative_orbit],
          ["Frame", String(row.frame).padStart(4, "0")], ["Timeliness", row.timeliness], ["Collection", row.collection],
          ["Scene, rows x columns", row.rows ? `${row.rows} x ${row.columns}` : ""],
          ["Crop begins at row, column", row.row_offset === null ? "" : `${row.row_offset}, ${row.column_offset}`],
          ["Centre, lng, lat", row.centre ? row.centre.map((number) => `${number.toFixed(4)}°`).join(", ") : ""],
          ["Bounds", boxText(row.bounds)],
        ]),
        mapLinks(row.outcome === "kept" ? row.id : null, row.bounds),
        heading("File"),
        facts([
          ["Recipe", row.recipe], ["SHA-256", row.sha256], ["Size", sizeOf(row.size_bytes)],
          ["Fetched for it", sizeOf(row.bytes_fetched)], ["Source", row.source], ["Licence", row.licence],
          ["Attribution", row.attribution],
        ]),
      ],
    )];
  },
};
