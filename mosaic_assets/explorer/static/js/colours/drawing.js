// What the canvases share: sharp at any pixel ratio, colours of the style sheet.

/** Fit a canvas's pixels to its place on the screen; returns its context, to be drawn in CSS pixels, and its size. */
export function prepared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  const context = canvas.getContext("2d");
  context.setTransform(across / Math.max(width, 1), 0, 0, down / Math.max(height, 1), 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** Call `draw` when a canvas changes its size, the screen its pixel ratio, or the page turns light or dark. */
export function redrawn(canvas, draw) {
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const watch = () => {
    const query = matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    query.addEventListener("change", () => { draw(); watch(); }, { once: true });
  };
  watch();
}

/** The colours of the style sheet, as they are now. */
export function inks() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: named("ink"), faint: named("faint"), line: named("line"), paper: named("panel"), accent: named("accent") };
}

/** A circle. */
export function circle(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
}
