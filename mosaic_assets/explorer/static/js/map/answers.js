// What a place became: its squares as they are drawn, and the question in words.
import { ask } from "../common.js";
import { daysOf } from "./form.js";
import { TITLES } from "./results.js";
import { grown } from "./squares.js";

/** What of a place is drawn: its squares, or, where those are too many, a box as large as they are. */
export async function placeBoxes(place, state, signal) {
  if (place.count <= place.boxes.length) return place.boxes;
  if (place.kind === "box") return [grown(state.box.split(",").map(Number), state.resolution)];
  if (place.kind !== "scene") return place.boxes;
  return (await squaresOf(state.scene, state.resolution, signal)).boxes;
}

/** The squares of a scene, of a size; compressed. */
export function squaresOf(scene, resolution, signal) {
  return ask("/api/squares", { scene, resolution, compressed: "true" }, { signal });
}

/** What was asked, in words. */
export function summaryOf({ kind, squares, count }, boxes, state) {
  const size = `${state.resolution}°`;
  const some = count > boxes.length && kind === "code" ? ` (${boxes.length} drawn)` : "";
  const place = {
    point: () => `square ${squares[0]}`,
    code: () => (count === 1 ? `square ${squares[0]}` : `${count.toLocaleString("en")} squares${some}`),
    box: () => `box ${state.box.replaceAll(",", " ")} in squares of ${size}`,
    scene: () => `others in the squares of ${state.scene} of ${size}`,
  }[kind];
  const sets = state.dataset.map((name) => TITLES[name] || name).join(", ");
  return [place ? place() : "everywhere", sets, state.platform.join(", "), daysOf(state)].filter(Boolean).join(" · ");
}
