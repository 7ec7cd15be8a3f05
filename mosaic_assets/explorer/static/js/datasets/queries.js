// Queries, where each is, and where the methods of localization say that it is.
import { make, momentOf, picture, table, textOf, worded } from "../common.js";
import { boxText, card, facts, heading, largePicture, mapLinks, two } from "./pieces.js";
import { metres, placesDrawing } from "./places.js";

const verdict = (one) =>
  one.accepted ? (one.right ? "found" : "accepted, wrong") : one.distance_m === null ? "no answer" : one.right ? "right, not sure" : "not found";

function answerTable(row) {
  return table(
    row.answers.map((one) => ({
      method: one.method, verdict: make("span", { class: one.right ? "good" : "bad" }, verdict(one)),
      distance: one.distance_m === null ? "" : metres(one.distance_m), confidence: one.confidence, rank: one.rank,
      inliers: one.inliers, seconds: one.seconds,
    })),
    [["method", "Method"], ["verdict", "Verdict"], ["distance", "From the truth"], ["confidence", "Confidence"], ["rank", "Rank"],
      ["inliers", "Matches"], ["seconds", "Seconds"]],
    "Answers of the methods",
  );
}

function matches(row) {
  const drawn = row.answers.filter((one) => one.picture).map((one) => [one.method, one.picture]);
  if (row.located_picture) drawn.push(["mosaic gallery locate", row.located_picture]);
  if (!drawn.length) {
    return [make("p", { class: "note" }, ...worded("No picture of the match was kept; `mosaic gallery locate` on this file draws one."))];
  }
  return drawn.map(([name, address]) => make(
    "figure", { class: "large" },
    picture({ class: "wide-picture", src: address, alt: `The query beside the gallery, by ${name}`, width: 1100, height: 560, loading: "lazy" }),
    make("figcaption", { class: "credit" }, `By ${name}${row.synthetic ? "; synthetic imagery" : ""}`),
  ));
}

export const queries = {
  title: "Queries",
  about: "Pictures to be found in the gallery, with what the methods answered when they were last evaluated.",
  path: "/api/queries",
  rows: "queries",
  filters: [
    { name: "split", label: "Split", options: (answer) => [["", "All splits"], ...Object.entries(answer.splits).map(([name, count]) => [name, `${name} (${count})`])] },
    { name: "found", label: "Answers", options: () => [["", "All"], ["right", "Found by a method"], ["wrong", "Accepted wrongly"], ["unasked", "Not evaluated yet"]] },
  ],
  summary: (answer) => answer.methods.length ? [] : [make("p", { class: "problem" },
    ...worded("No answers are kept yet; materialize localization_benchmark, or run `mosaic gallery evaluate`."))],
  card(row, address) {
    const lines = row.answers.map((one) =>
      make("span", { class: one.right ? "good" : "bad" }, `${one.method}: ${verdict(one)}${one.distance_m === null ? "" : `, ${metres(one.distance_m)}`}`));
    return card(row, address, {
      alt: `Query ${row.id}`, title: row.id, lines: lines.length ? lines : ["not evaluated yet"],
    });
  },
  item(row) {
    return [
      two(
        [largePicture(row, row.picture, `Query ${row.id}`)],
        [
          heading("Where it is, and where it was found"),
          placesDrawing(row),
          row.answers.length ? answerTable(row) : make("p", { class: "note" }, ...worded("Not evaluated yet; run `mosaic gallery evaluate`.")),
        ],
      ),
      heading("Beside the gallery"),
      ...matches(row),
      heading("Query"),
      facts([
        ["Split", row.split], ["Scene class", row.scene_class || "not stated"], ["Time", momentOf(row.time) || "not stated"], ["Size", `${row.width} x ${row.height} pixels`],
        ["Level", row.level], ["Resolution, EPSG:3857", `${textOf(row.resolution)} m a pixel`], ["Centre, lng, lat", row.centre.map((number) => `${number.toFixed(6)}°`).join(", ")],
        ["Bounds", boxText(row.bounds)], ["SHA-256", row.sha256], ["Source", row.source], ["Licence", row.licence], ["Attribution", row.attribution],
      ]),
      mapLinks(row.id, row.bounds),
    ];
  },
};
