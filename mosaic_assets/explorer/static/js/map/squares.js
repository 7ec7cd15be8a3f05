// C-squares of 10, 5, 1 and 0.5 degrees, and rectangles on a globe. Boxes are [west, south, east, north] in degrees.

export const SIZES = ["10", "5", "1", "0.5"];
const DIGITS = { 10: 4, 5: 6, 1: 8, 0.5: 10 };

/** The code of the square of a size that owns a point. Edges belong to the square farther from the equator and Greenwich. */
export function codeAt(lng, lat, size) {
  const [north, east] = [Math.abs(lat), Math.abs(lng)];
  const quadrant = lat >= 0 ? (lng >= 0 ? 1 : 7) : lng >= 0 ? 3 : 5;
  // The poles and +-180 belong to the last row and column.
  const rows = Math.min(Math.floor(north * 2), 179), columns = Math.min(Math.floor(east * 2), 359);
  const [row, column] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  const quarter = (down, right) => 1 + 2 * down + right;
  const ten = `${quadrant}${Math.floor(row / 10)}${String(Math.floor(column / 10)).padStart(2, "0")}`;
  const five = quarter(Number(row % 10 >= 5), Number(column % 10 >= 5));
  const full = `${ten}:${five}${row % 10}${column % 10}:${quarter(rows % 2, columns % 2)}`;
  // 3414, 3414:2, 3414:227, 3414:227:4
  return full.slice(0, DIGITS[size]);
}

/** The size of the squares of a code's length, "10", "5", "1" or "0.5"; null if it is none. */
export function sizeOf(code) {
  return SIZES.find((size) => DIGITS[size] === code.length) || null;
}

/** The square of a size that owns a point. The longitude may lie beyond the date line, and then so does the box. */
export function squareAt(lng, lat, size) {
  const degrees = Number(size);
  const low = (value, limit) => {
    const steps = Math.min(Math.floor(Math.abs(value) / degrees), limit / degrees - 1);
    return value >= 0 ? steps * degrees : -(steps + 1) * degrees;
  };
  const within = wrapped(lng);
  const west = low(within, 180) + Math.round(lng - within), south = low(lat, 90);
  return [west, south, west + degrees, south + degrees];
}

/** A longitude as -180 <= lng < 180. */
export function wrapped(lng) {
  return ((((lng + 180) % 360) + 360) % 360) - 180;
}

/** A number without needless digits. */
export function round(value, digits) {
  return Number(value.toFixed(digits));
}

/** The smallest box that holds some boxes. It goes over the date line where that makes it smaller: east may exceed 180. */
export function around(boxes) {
  const sides = boxes.map(([west, , east]) => [west, east < west ? east + 360 : east]).sort((a, b) => a[0] - b[0]);
  let [start, end] = [sides[0][0], sides[0][1]];
  let [gap, west, east] = [-1, 0, 0];
  for (const [left, right] of sides.slice(1)) {
    if (left - end > gap) [gap, west, east] = [left - end, left, end + 360];
    end = Math.max(end, right);
  }
  const outside = start + 360 - end; // the gap over the date line
  if (outside >= gap) [west, east] = [start, end];
  return [west, Math.min(...boxes.map((box) => box[1])), east, Math.max(...boxes.map((box) => box[3]))];
}

/** A box grown to the edges of the squares that it covers, as one rectangle; east may exceed 180. */
export function grown([west, south, east, north], size) {
  const degrees = Number(size);
  const [far, low] = [east < west ? east + 360 : east, (value) => Math.floor(value / degrees) * degrees];
  const high = (value, least) => Math.max(Math.ceil(value / degrees) * degrees, least + degrees);
  return [low(west), low(south), high(far, low(west)), high(north, low(south))];
}

/** Latitude and longitude of a box as people read them: `42.5–43° S, 147.5–148° E`, or `5° S–5° N, 170° E–170° W`. */
export function placeOf([west, south, east, north]) {
  const right = wrapped(east) === -180 ? 180 : wrapped(east);
  return `${span(south, north, "S", "N")}, ${span(wrapped(west), right, "W", "E")}`;
}

function span(from, to, minus, plus) {
  const size = (value) => round(Math.abs(value), 2);
  if (from >= 0 && to >= from) return `${size(from)}–${size(to)}° ${plus}`;
  if (to <= 0 && to >= from) return `${size(to)}–${size(from)}° ${minus}`;
  return `${size(from)}° ${from < 0 ? minus : plus}–${size(to)}° ${to < 0 ? minus : plus}`;
}
