// Picking a colour from a picture: it is drawn here and never leaves the browser.

import { announce } from "../common.js";
import { circle, prepared, redrawn } from "./drawing.js";

const LONGEST = 4096;
const TALLEST = 340;
const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Picture {
  /** `parts`: stage, canvas, said, loupe; `onPick([r, g, b])` with means that need not be whole; `onTrouble(sentence)`. */
  constructor(parts, { onPick, onTrouble }) {
    Object.assign(this, parts, { onPick, onTrouble, pixels: null, x: 0, y: 0 });
    redrawn(this.canvas, () => this.draw());
    this.canvas.addEventListener("pointermove", (event) => this.moveTo(...this.under(event)));
    this.canvas.addEventListener("click", (event) => { this.moveTo(...this.under(event)); this.pick(); });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  /** Show a file. */
  async load(file) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      this.onTrouble(`${file.name} cannot be shown as a picture. Choose a PNG, JPEG, WebP, AVIF or GIF.`);
      return;
    }
    const shrink = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
    const source = document.createElement("canvas");
    source.width = Math.max(1, Math.round(bitmap.width * shrink));
    source.height = Math.max(1, Math.round(bitmap.height * shrink));
    const context = source.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#ffffff"; // what shows through transparent parts
    context.fillRect(0, 0, source.width, source.height);
    context.drawImage(bitmap, 0, 0, source.width, source.height);
    bitmap.close();
    this.source = source;
    this.pixels = context;
    this.stage.hidden = false;
    this.canvas.setAttribute("aria-label", `Your picture ${file.name}, ${source.width} by ${source.height} pixels`);
    this.fit();
    this.moveTo(Math.floor(source.width / 2), Math.floor(source.height / 2));
    this.onTrouble(null);
    announce(`${file.name} is shown; it stays in this browser.`);
  }

  /** Forget the picture. */
  remove() {
    this.pixels = this.source = null;
    this.stage.hidden = true;
  }

  /** As large as there is room, and no smaller than a finger can aim at. */
  fit() {
    const { width, height } = this.source;
    const room = this.stage.clientWidth;
    const scale = Math.min(Math.min(room, 480) / width, TALLEST / height);
    this.canvas.style.width = `${Math.max(48, Math.round(width * scale))}px`;
    this.canvas.style.height = `${Math.max(48, Math.round(height * scale))}px`;
  }

  /** The pixel under the pointer. */
  under({ offsetX, offsetY }) {
    const { clientWidth, clientHeight } = this.canvas;
    return [Math.floor((offsetX / clientWidth) * this.source.width), Math.floor((offsetY / clientHeight) * this.source.height)];
  }

  moveTo(x, y) {
    if (!this.source) return;
    this.x = Math.min(this.source.width - 1, Math.max(0, x));
    this.y = Math.min(this.source.height - 1, Math.max(0, y));
    this.draw();
    const shown = hexOf(this.mean());
    this.loupe.style.background = shown;
    this.said.textContent = `${shown} at ${this.x}, ${this.y}`;
  }

  /** Mean of the 5 x 5 pixels around the mark, or of those of them that there are: three numbers 0..255. */
  mean() {
    const [left, top] = [Math.max(0, this.x - 2), Math.max(0, this.y - 2)];
    const across = Math.min(this.source.width, this.x + 3) - left;
    const down = Math.min(this.source.height, this.y + 3) - top;
    const { data } = this.pixels.getImageData(left, top, across, down);
    const sums = [0, 0, 0];
    for (let at = 0; at < data.length; at += 4) for (let band = 0; band < 3; band++) sums[band] += data[at + band];
    return sums.map((sum) => sum / (across * down));
  }

  draw() {
    if (!this.source) return;
    const { context, width, height } = prepared(this.canvas);
    context.imageSmoothingEnabled = width < this.source.width;
    context.drawImage(this.source, 0, 0, width, height);
    const [x, y] = [((this.x + 0.5) / this.source.width) * width, ((this.y + 0.5) / this.source.height) * height];
    for (const [style, weight] of [["#ffffff", 4], ["#000000", 1.5]]) {
      circle(context, x, y, 9);
      context.strokeStyle = style;
      context.lineWidth = weight;
      context.stroke();
    }
  }

  pick() {
    if (this.source) this.onPick(this.mean());
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = STEPS[event.key];
    if (step) {
      const far = event.shiftKey ? 10 : 1;
      this.moveTo(this.x + far * step[0], this.y + far * step[1]);
      announce(this.said.textContent);
    } else if (event.key === "Enter" || event.key === " ") this.pick();
    else return;
    event.preventDefault();
  }
}

/** Three numbers 0..255 as #rrggbb. */
export function hexOf(rgb) {
  return `#${rgb.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
}
