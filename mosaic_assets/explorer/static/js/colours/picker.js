// The colour as people give it: a colour well, or three numbers, RGB or LAB.

import { hexOf } from "./picture.js";

const FIELDS = {
  rgb: { names: ["R", "G", "B"], from: [0, 0, 0], to: [255, 255, 255], step: 1 },
  lab: { names: ["L", "a", "b"], from: [0, -128, -128], to: [100, 128, 128], step: 0.5 },
};

export class Picker {
  /** `onPick({rgb: text} or {lab: text}, settled)`; not settled while the well is still open. */
  constructor(form, onPick) {
    Object.assign(this, { form, onPick, colour: null });
    this.well = form.querySelector("#well");
    this.numbers = ["first", "second", "third"].map((id) => form.querySelector(`#${id}`));
    this.names = ["first", "second", "third"].map((id) => form.querySelector(`#${id}-name`));
    this.well.addEventListener("input", () => onPick({ rgb: this.well.value }, false));
    this.well.addEventListener("change", () => onPick({ rgb: this.well.value }, true));
    this.typed = new Set(); // numbers that nobody has been asked about yet
    for (const field of this.numbers) {
      field.addEventListener("input", () => this.typed.add(field));
      field.addEventListener("keydown", (event) => this.key(event, field));
    }
    const group = this.numbers[0].closest("fieldset");
    group.addEventListener("focusout", (event) => { if (!group.contains(event.relatedTarget)) this.left(); });
    for (const radio of form.elements.kind) radio.addEventListener("change", () => { this.typed.clear(); this.fields(); });
    form.addEventListener("submit", (event) => event.preventDefault());
    this.fields();
  }

  get kind() {
    return this.form.elements.kind.value;
  }

  /** Take the numbers, once all three can be used. */
  entered(settled) {
    const wrong = this.numbers.find((field) => !field.checkValidity());
    if (wrong) {
      if (settled) wrong.reportValidity();
      return;
    }
    this.typed.clear();
    this.open = !settled;
    this.onPick(asked(this.kind, this.numbers.map((field) => Number(field.value))), settled);
  }

  /** Whoever goes on to something else is done with the numbers. */
  left() {
    if (this.typed.size || this.open) this.entered(true);
  }

  /** Show a colour: `colour` as the API answers it, `state` as it was asked for. */
  show(colour, state) {
    this.colour = { ...colour, exact: state.rgb?.includes(",") ? state.rgb.split(",").map(Number) : null };
    this.well.value = colour.rgb;
    this.fields();
  }

  setKind(kind) {
    this.form.elements.kind.value = kind;
    this.fields();
  }

  fields() {
    const { names, from, to } = FIELDS[this.kind];
    const values = this.colour && (this.kind === "lab" ? this.colour.lab : this.colour.exact ?? bytesOf(this.colour.rgb));
    this.numbers.forEach((field, at) => {
      this.names[at].textContent = names[at];
      Object.assign(field, { min: from[at], max: to[at], step: "any" });
      // An answer must not take the place of what is being typed.
      if (!this.typed.has(field)) field.value = values ? rounded(values[at], this.kind) : "";
    });
  }

  /** Enter asks; up and down go by a step that suits the numbers, though any number may be typed. */
  key(event, field) {
    if (event.key === "Enter") this.entered(true);
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const value = Number(field.value) + way * FIELDS[this.kind].step * (event.shiftKey ? 10 : 1);
    field.value = rounded(Math.min(Number(field.max), Math.max(Number(field.min), value)), this.kind);
    this.entered(false);
  }
}

/** A colour as a question to the API: whole RGB numbers become #rrggbb. */
export function asked(kind, values) {
  if (kind === "rgb" && values.every((value) => Number.isInteger(value))) return { rgb: hexOf(values) };
  return { [kind]: values.map((value) => Number(value.toFixed(2))).join(",") };
}

function bytesOf(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function rounded(value, kind) {
  return Number(value.toFixed(kind === "lab" ? 1 : 2));
}
