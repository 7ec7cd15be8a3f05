// How many buckets there are by lightness, how many of them hold tiles, and where the slice is.

import { inks, prepared, redrawn } from "./drawing.js";
import { isShown } from "./state.js";

const BINS = 50;

export class Strip {
  constructor(canvas) {
    Object.assign(this, { canvas, data: null, state: null });
    redrawn(canvas, () => this.draw());
  }

  take(data) {
    this.data = data;
  }

  show(state) {
    this.state = state;
    this.draw();
  }

  draw() {
    if (!this.data || !this.state) return;
    const { context, width, height } = prepared(this.canvas);
    const { ink, faint, line, accent } = inks();
    const [all, holding] = [new Array(BINS).fill(0), new Array(BINS).fill(0)];
    this.data.lab.forEach(([l], number) => {
      if (!isShown(this.state.show, this.data.states[number])) return;
      const bin = Math.min(BINS - 1, Math.max(0, Math.floor((l / 100) * BINS)));
      all[bin] += 1;
      if (this.data.kept[number] > 0) holding[bin] += 1;
    });
    const most = Math.max(1, ...all);
    const bars = (counts, style) => {
      context.fillStyle = style;
      counts.forEach((count, bin) => {
        const tall = (count / most) * (height - 2);
        context.fillRect((bin / BINS) * width + 0.5, height - tall, width / BINS - 1, tall);
      });
    };
    const { lightness, width: half } = this.state;
    if (lightness !== null) {
      const [from, to] = [Math.max(0, lightness - half), Math.min(100, lightness + half)];
      context.fillStyle = line;
      context.fillRect((from / 100) * width, 0, ((to - from) / 100) * width, height);
    }
    context.globalAlpha = 0.45;
    bars(all, faint);
    context.globalAlpha = 1;
    bars(holding, accent);
    context.fillStyle = ink;
    context.fillRect(0, height - 1, width, 1);
  }
}
