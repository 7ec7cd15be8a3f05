// How many scenes each square has: a picture over the map, its legend, and the densest squares as a list.
import { addressOf, announce, ask, fill, make, problemNote } from "../common.js";
import { overlay } from "./globe.js";
import { scenesOf } from "./results.js";

const part = (id) => document.getElementById(id);

/** Keep the density layer as a state wants it. `onSquare(code)` is what a square of the list does. */
export function makeDensity(globe, onSquare) {
  let [shown, latest] = ["", 0];
  return async function show(state, wantsList = part("densest-part").open) {
    const parameters = { resolution: state.resolution, dataset: state.dataset };
    const wanted = JSON.stringify([parameters, state.density, wantsList]);
    if (wanted === shown) return;
    shown = wanted;
    const mine = ++latest;
    overlay(globe, state.density ? addressOf("/api/density.png", parameters) : null);
    part("legend").hidden = !state.density;
    if (!state.density && !wantsList) return;
    part("legend-title").textContent = "Counting scenes …";
    try {
      const answer = await ask("/api/density", parameters);
      if (mine !== latest) return;
      writeLegend(answer);
      writeList(answer, onSquare);
      // While a search is under way its own answer is what people wait for.
      if (state.density && !part("results").hasAttribute("aria-busy")) announce(`Density: ${part("densest").firstChild.textContent}`);
    } catch (error) {
      if (mine !== latest) return;
      shown = ""; // to be asked for again
      overlay(globe, null);
      part("legend-title").textContent = "The density cannot be had.";
      fill(part("legend-steps"));
      fill(part("densest"), problemNote(error, () => show(state)));
    }
  };
}

function writeLegend({ resolution, legend }) {
  part("legend-title").textContent = legend.length ? `Scenes in squares of ${resolution}°` : "No scenes anywhere";
  fill(part("legend-steps"), ...legend.map(({ scenes, colour }) => {
    const swatch = make("i");
    swatch.style.background = colour;
    return make("li", {}, swatch, scenes.toLocaleString("en"));
  }));
}

function writeList({ densest, squares, scenes, resolution }, onSquare) {
  fill(part("densest"),
    make("p", { class: "note" }, `${squares.toLocaleString("en")} squares of ${resolution}° hold some of ${scenesOf(scenes)}.`),
    make("ol", {}, ...densest.map(([code, count]) => make("li", {},
      make("button", { type: "button", onclick: () => onSquare(code) }, code), ` ${scenesOf(count)}`))));
}
