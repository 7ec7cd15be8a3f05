// The localization gallery: zoom levels, and the tiles of one.
import { make, momentOf, picture, synthetic, table } from "../common.js";
import { boxText, card, creditOf, facts, heading, largePicture, mapLinks, two } from "./pieces.js";

function zoomTable(answer) {
  return table(
    answer.zooms.map((one) => ({
      zoom: one.zoom, tiles: one.tiles, missing: one.missing, resolution: one.resolution, time: momentOf(one.time) || "not stated",
      source: make("span", {}, one.source, one.synthetic ? " " : "", one.synthetic ? synthetic() : ""),
    })),
    [["zoom", "Zoom"], ["tiles", "Tiles"], ["missing", "Missing"], ["resolution", "m a pixel at the equator"], ["time", "Imagery of"], ["source", "Source"]],
    "Zoom levels of the gallery",
  );
}

export const gallery = {
  title: "Gallery",
  about: "Tiles of a continuous region without holes, in which pictures are to be found.",
  path: "/api/gallery",
  rows: "tiles",
  filters: [{
    name: "zoom", label: "Zoom", value: (answer) => String(answer.zoom ?? ""),
    options: (answer) => [...new Set(answer.zooms.map((one) => one.zoom))].map((zoom) => [String(zoom), `zoom ${zoom}`]),
  }],
  summary(answer) {
    const said = answer.zooms.find((one) => one.zoom === answer.zoom);
    const overview = answer.overview
      ? picture({ src: answer.overview, alt: `All tiles of zoom ${answer.zoom}, north up`, width: 800, height: 800 })
      : make("span", { class: "none" }, "no tiles");
    return [make(
      "div", { class: "zooms" },
      make("figure", { class: "large" }, make("div", { class: "frame" }, overview),
        make("figcaption", { class: "credit" }, said?.synthetic ? synthetic() : null, ` Zoom ${answer.zoom}. ${said ? creditOf(said) : ""}`)),
      make("div", {}, zoomTable(answer), facts([["Grid", answer.grid], ["Region", boxText(said?.bounds)], ["Resampling", said?.resampling]])),
    )];
  },
  card(row, address) {
    const [, zoom, column, line] = row.id.split("/");
    return card(row, address, {
      alt: `Tile ${row.id}`, title: `${zoom} / ${column} / ${line}`, lines: [momentOf(row.time) || "time not stated"],
    });
  },
  item(row) {
    return [two(
      [largePicture(row, row.picture, `Tile ${row.id}`)],
      [
        heading("Tile"),
        facts([
          ["Grid/zoom/column/row", row.id], ["Bounds", boxText(row.bounds)], ["Time", momentOf(row.time) || "not stated"], ["Source", row.source],
          ["Resampling", row.resampling], ["Licence", row.licence], ["Attribution", row.attribution],
        ]),
        mapLinks(row.id, row.bounds),
      ],
    )];
  },
};
