// The buckets in the a/b plane: drawn on a canvas, found by pointer and by keyboard.

import { circle, inks, prepared, redrawn } from "./drawing.js";
import { inSlice, isShown } from "./state.js";

const LEVELS = { empty: 0, seen: 1, filling: 2, filled: 3, full: 4 };
const RADII = [1.5, 3, 3, 4.2, 5.2];
const MARGIN = 46;
const FOOT = 36;
const REACH = 16;
const STEPS = {
  ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
};

export class Plane {
  /** `onPoint(number or null, byKey, x, y)` when another bucket is pointed at, `onChoose(number, byKey)` when one is chosen. */
  constructor(canvas, { onPoint, onChoose }) {
    Object.assign(this, { canvas, onPoint, onChoose, data: null, state: null, shown: [], pointed: null, colour: null, near: [] });
    this.under = document.createElement("canvas");
    redrawn(canvas, () => this.draw());
    canvas.addEventListener("pointermove", (event) => this.point(this.at(event), false));
    canvas.addEventListener("pointerleave", () => this.point(null, false));
    canvas.addEventListener("click", (event) => this.choose(this.at(event), false));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) this.begin(); });
    canvas.addEventListener("blur", () => this.point(null, false));
  }

  /** Take the answer of /api/colours. */
  take(data) {
    this.data = data;
    this.levels = data.states.map((state) => LEVELS[state]);
    this.slice = null;
  }

  /** Show a state of the page; `colour` is the picked LAB colour, `near` the numbers of the nearest buckets. */
  show(state, colour, near) {
    if (!this.data) return;
    Object.assign(this, { state, colour, near });
    // To draw 5,000 buckets takes a while; a colour or a bucket that is picked only lies above them.
    const slice = [state.show, state.lightness, state.width].join();
    if (slice === this.slice && this.scale) return this.remark();
    this.slice = slice;
    const { lab, states } = this.data;
    this.fitted = lab.map((_, number) => number).filter((number) => isShown(state.show, states[number]));
    this.shown = this.fitted
      .filter((number) => inSlice(state, lab[number][0]))
      .sort((one, other) => this.levels[one] - this.levels[other] || lab[one][0] - lab[other][0]);
    return this.draw();
  }

  draw() {
    if (!this.data || !this.state) return;
    const { context, width, height } = prepared(this.canvas);
    if (width < 2 * MARGIN) return;
    this.scale = scaleFor(this.fitted.map((number) => this.data.lab[number]), width, height);
    this.inks = inks();
    this.axes(context, width, height);
    for (const number of this.shown) this.dot(context, number);
    this.under.width = this.canvas.width;
    this.under.height = this.canvas.height;
    this.under.getContext("2d").drawImage(this.canvas, 0, 0);
    this.marks(context);
  }

  /** Only what lies above the buckets: cheap enough for every move of the pointer. */
  remark() {
    const context = this.canvas.getContext("2d");
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.under, 0, 0);
    context.restore();
    this.marks(context);
  }

  axes(context, width, height) {
    const { scale, inks: { ink, faint, line } } = this;
    context.lineWidth = 1;
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = faint;
    for (let value = -120; value <= 120; value += scale.step) {
      const [x, y] = [scale.x(value), scale.y(value)];
      context.strokeStyle = value === 0 ? faint : line;
      if (x > MARGIN && x < width - 4) {
        context.textAlign = "center";
        rule(context, x, 4, x, height - FOOT + 4);
        context.fillText(textOf(value), x, height - FOOT + 16);
      }
      if (y > 4 && y < height - FOOT + 4) {
        rule(context, MARGIN, y, width - 4, y);
        context.textAlign = "right";
        context.fillText(textOf(value), MARGIN - 4, y + 4);
      }
    }
    context.fillStyle = ink;
    context.textAlign = "center";
    context.fillText("a: green to red", width / 2, height - 4);
    context.save();
    context.translate(13, height / 2);
    context.rotate(-Math.PI / 2);
    context.fillText("b: blue to yellow", 0, 0);
    context.restore();
  }

  dot(context, number) {
    const level = this.levels[number];
    const [, a, b] = this.data.lab[number];
    const [x, y, radius] = [this.scale.x(a), this.scale.y(b), this.scale.grown * RADII[level]];
    circle(context, x, y, radius);
    context.fillStyle = context.strokeStyle = this.data.rgb[number];
    context.lineWidth = 1.5;
    if (level === 1) return context.stroke();
    context.fill();
    if (level < 2) return undefined;
    // A rim, for colours as light or as dark as the paper; a strong one around what is full.
    context.strokeStyle = level === 4 ? this.inks.ink : this.inks.faint;
    context.lineWidth = level === 4 ? 1.4 : level === 3 ? 0.7 : 0.35;
    return context.stroke();
  }

  marks(context) {
    const { ink, paper, accent } = this.inks;
    for (const number of this.near) this.ring(context, number, 2, accent, 1.5);
    if (this.state.bucket !== null) {
      this.ring(context, this.state.bucket, 5, paper, 5);
      this.ring(context, this.state.bucket, 5, ink, 2.5);
    }
    if (this.colour) {
      const [x, y] = [this.scale.x(this.colour.lab[1]), this.scale.y(this.colour.lab[2])];
      for (const [style, weight] of [[paper, 5], [ink, 2]]) {
        context.strokeStyle = style;
        context.lineWidth = weight;
        for (const [across, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          rule(context, x + 6 * across, y + 6 * down, x + 15 * across, y + 15 * down);
        }
      }
    }
    if (this.pointed !== null) {
      this.dot(context, this.pointed);
      this.ring(context, this.pointed, 4, paper, 5);
      this.ring(context, this.pointed, 4, accent, 2.5);
    }
  }

  ring(context, number, gap, style, weight) {
    const [, a, b] = this.data.lab[number];
    circle(context, this.scale.x(a), this.scale.y(b), this.scale.grown * RADII[this.levels[number]] + gap);
    context.strokeStyle = style;
    context.lineWidth = weight;
    context.stroke();
  }

  /** The bucket under the pointer; of several, the one drawn last. */
  at({ offsetX, offsetY }) {
    let best = null;
    let least = REACH;
    for (const number of this.shown) {
      const [, a, b] = this.data.lab[number];
      const distance = Math.hypot(this.scale.x(a) - offsetX, this.scale.y(b) - offsetY);
      if (distance <= least) [best, least] = [number, distance];
    }
    return best;
  }

  point(number, byKey) {
    if (number === this.pointed || !this.scale) return;
    this.pointed = number;
    this.remark();
    const [, a, b] = number === null ? [] : this.data.lab[number];
    this.onPoint(number, byKey, number === null ? 0 : this.scale.x(a), number === null ? 0 : this.scale.y(b));
  }

  choose(number, byKey) {
    if (number !== null) this.onChoose(number, byKey);
  }

  /** Where the keyboard begins: the chosen bucket, the one nearest to the colour, or any. */
  begin() {
    if (!this.data || this.pointed !== null || !this.shown.length) return;
    const first = [this.state.bucket, ...this.near].find((number) => this.shown.includes(number));
    this.point(first ?? this.shown.at(-1), true);
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.data) return;
    const step = STEPS[event.key];
    const lighter = { PageUp: 1, PageDown: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.choose(this.pointed, true);
    else if (event.key === "Escape") this.point(null, true);
    else if (this.pointed === null && (step || lighter)) this.begin();
    else if (step) this.go(([, a, b]) => [step[0] * a + step[1] * b, step[1] * a + step[0] * b, 0], 2);
    else if (lighter) this.go(([l, a, b]) => [lighter * l, a, b], 3);
    else return;
    event.preventDefault();
  }

  /** Go to the next bucket in a direction: `axes` gives how far along a colour lies and how far aside, which costs more. */
  go(axes, cost) {
    const { lab } = this.data;
    const [along, ...aside] = axes(lab[this.pointed]);
    let [best, least] = [null, Infinity];
    for (const number of this.shown) {
      const [further, ...other] = axes(lab[number]);
      const price = further - along + cost * Math.hypot(other[0] - aside[0], other[1] - aside[1]);
      if (further > along + 0.01 && price < least) [best, least] = [number, price];
    }
    if (best !== null) this.point(best, true);
  }
}

/** Equal scales that fit LAB colours into a canvas. */
function scaleFor(labs, width, height) {
  const [lowA, highA] = span(labs.map((one) => one[1]));
  const [lowB, highB] = span(labs.map((one) => one[2]));
  const [across, down] = [width - MARGIN - 12, height - FOOT - 4];
  const unit = Math.min(across / (highA - lowA), down / (highB - lowB));
  const [midA, midB] = [(lowA + highA) / 2, (lowB + highB) / 2];
  const [x0, y0] = [MARGIN + 4 + across / 2, 4 + down / 2];
  return {
    x: (a) => x0 + unit * (a - midA),
    y: (b) => y0 - unit * (b - midB),
    step: unit > 6 ? 10 : unit > 2 ? 20 : 40,
    grown: Math.min(1.8, Math.max(0.8, unit / 2.6)),
  };
}

function span(values) {
  const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [-100, 100];
  const room = Math.max(4, (high - low) * 0.03, (40 - (high - low)) / 2);
  return [low - room, high + room];
}

function rule(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function textOf(value) {
  return String(value).replace("-", "\u2212");
}
