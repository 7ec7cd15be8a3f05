// What the page shows, as its address has it. Names are those of the API where they mean the same.

const SHOWN = ["all", "filled", "unfilled", "unseen"];
const WIDTHS = [2, 5, 10, 20];
const USUAL = { show: "all", width: 5, page: 1 };

/** Read an address's query. What makes no sense is left out; a colour is for the API to judge. */
export function readState(query) {
  const given = new URLSearchParams(query);
  const state = { ...USUAL, rgb: null, lab: null, bucket: null, lightness: null };
  if (given.get("lab")) state.lab = given.get("lab").slice(0, 90);
  else if (given.get("rgb")) state.rgb = given.get("rgb").slice(0, 90);
  state.bucket = whole(given.get("bucket"), 0, 4999);
  state.page = whole(given.get("page"), 1, 1_000_000) ?? USUAL.page;
  state.lightness = whole(given.get("lightness"), 0, 100);
  const width = whole(given.get("width"), 0, 100);
  if (WIDTHS.includes(width)) state.width = width;
  if (SHOWN.includes(given.get("show"))) state.show = given.get("show");
  return state;
}

/** The query of a state, with a question mark unless it is empty. */
export function queryOf(state) {
  const query = new URLSearchParams();
  for (const name of ["rgb", "lab", "bucket"]) if (state[name] !== null) query.set(name, state[name]);
  if (state.bucket !== null && state.page !== USUAL.page) query.set("page", state.page);
  if (state.show !== USUAL.show) query.set("show", state.show);
  if (state.lightness !== null) query.set("lightness", state.lightness);
  if (state.lightness !== null && state.width !== USUAL.width) query.set("width", state.width);
  const text = query.toString();
  return text ? `?${text}` : "";
}

/** Whether a bucket is shown: `state` is its coverage state. */
export function isShown(show, state) {
  if (show === "all") return true;
  if (show === "unseen") return state === "empty";
  const filled = state === "filled" || state === "full";
  return show === "filled" ? filled : !filled && state !== "empty";
}

/** Whether a lightness lies in the slice. */
export function inSlice({ lightness, width }, value) {
  return lightness === null || Math.abs(value - lightness) <= width;
}

function whole(text, low, high) {
  const value = /^\d{1,7}$/.test(text ?? "") ? Number(text) : NaN;
  return value >= low && value <= high ? value : null;
}
