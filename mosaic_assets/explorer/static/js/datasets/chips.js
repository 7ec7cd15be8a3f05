// Labelled chips, with their labels drawn over on demand.
import { fill, make, sizeOf } from "../common.js";
import { boxText, card, facts, heading, largePicture, mapLinks, percent, two } from "./pieces.js";

const counted = (counts) => Object.entries(counts).map(([name, count]) => [name, `${name} (${count.toLocaleString("en")})`]);

function swatch(colour) {
  const box = make("span", { class: "swatch", "aria-hidden": "true" });
  box.style.background = colour;
  return box;
}

function legend(classes, shares) {
  const said = (name, share) => make("span", {}, `${name} ${percent(share)}`);
  return make(
    "ul", { class: "legend", "aria-label": "Classes and their share of the pixels" },
    ...classes.map((one) => make("li", {}, swatch(one.colour), said(one.name, shares ? shares[one.name] : one.share))),
    shares ? make("li", {}, make("span", { class: "swatch stripes", "aria-hidden": "true" }), said("ignored", shares.ignored)) : null,
    shares ? make("li", {}, make("span", { class: "swatch ground", "aria-hidden": "true" }), said("background", shares.background)) : null,
  );
}

export const chips = {
  title: "Chips",
  about: "Imagery and labels on the same pixels, split for training, validation and testing so that no pixel is in two splits.",
  path: "/api/chips",
  rows: "chips",
  filters: [
    { name: "region", label: "Region", options: (answer) => [["", "All regions"], ...counted(answer.regions)] },
    { name: "split", label: "Split", options: (answer) => [["", "All splits"], ...counted(answer.splits)] },
    { name: "labelled", label: "Labels", options: () => [["", "With and without"], ["yes", "With a label"], ["no", "Without"]] },
  ],
  summary: (answer) => [legend(answer.classes, null)],
  card(row, address) {
    const labelled = 1 - row.shares.background - row.shares.ignored;
    const ignored = row.shares.ignored ? `, ${percent(row.shares.ignored)} ignored` : "";
    return card(row, address, {
      alt: `Chip of ${row.region}, ${row.split}`, title: row.id, pixels: row.size < 256,
      lines: [`${row.split}, ${row.region}`, `${percent(labelled)} labelled${ignored}`],
    });
  },
  item(row, answer, { given, change }) {
    const overlay = `/api/chips/overlay?id=${encodeURIComponent(row.id)}&size=512`;
    const wanted = () => given.get("labels") !== "off";
    const alt = (on) => `Chip ${row.id}${on ? " with its labels drawn over" : " without its labels"}`;
    const figure = make("div", {});
    const draw = () => fill(figure, largePicture(row, wanted() ? overlay : row.picture, alt(wanted()), { pixels: !wanted() && row.size < 512 }));
    const input = make("input", {
      type: "checkbox", checked: wanted(),
      onchange: (event) => {
        change({ labels: event.target.checked ? null : "off" });
        draw();
      },
    });
    draw();
    return [two(
      [figure, make("label", { class: "switch" }, input, "Draw the labels"), legend(answer.classes, row.shares)],
      [
        heading("Chip"),
        facts([
          ["Split", row.split], ["Fold", row.fold], ["Region", row.region], ["Size", `${row.size} x ${row.size} pixels`],
          ["Row, column in the imagery", `${row.row}, ${row.column}`], ["CRS", row.crs.length > 40 ? `${row.crs.slice(0, 40)}…` : row.crs],
          ["Bounds", boxText(row.bounds)],
        ]),
        mapLinks(row.id, row.bounds),
        heading("File"),
        facts([
          ["Path below chips/", row.path], ["Mask", row.mask_path], ["Bands", row.bands], ["Type", row.dtype], ["Size", sizeOf(row.bytes)],
          ["SHA-256", row.sha256], ["Imagery", row.source], ["Licence", row.licence], ["Attribution", row.attribution],
        ]),
      ],
    )];
  },
};
