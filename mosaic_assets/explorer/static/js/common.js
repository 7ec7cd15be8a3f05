// What every page's script uses: asking the API, making elements, saying things to screen readers.

/** An answer that the API refused; `message` is the sentence of its problem, `status` the HTTP status. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** No answer came, or not all of it. */
export class Gone extends Error {
  constructor() {
    super("The explorer does not answer. If it was stopped, start it again with `mosaic explore`, then try again.");
  }
}

/** Ask the API for JSON. `parameters` is a URLSearchParams or a plain object; null and "" are left out, arrays repeat. */
export async function ask(path, parameters = {}, options = {}) {
  let answer, text;
  try {
    answer = await fetch(addressOf(path, parameters), { headers: { accept: "application/json" }, ...options });
    text = await answer.text();
  } catch (error) {
    throw error.name === "AbortError" ? error : new Gone();
  }
  const content = parsed(text);
  if (!answer.ok) throw new Refused(answer.status, content?.detail || `The explorer answered ${answer.status} ${answer.statusText}.`);
  if (content === null) throw new Refused(502, `The answer of ${path} is not JSON.`);
  return content;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Path and query of a request. */
export function addressOf(path, parameters = {}) {
  const query = parameters instanceof URLSearchParams ? parameters : new URLSearchParams();
  if (query !== parameters) {
    for (const [name, value] of Object.entries(parameters)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one !== null && one !== undefined && one !== "") query.append(name, one);
      }
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Make an element: `make("a", { href: "/", class: "x" }, "text", other)`. Text is text, never HTML. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put children in place of what an element holds. If what had the focus goes, the region around it takes the focus. */
export function fill(element, ...children) {
  const held = element !== document.activeElement && element.contains(document.activeElement);
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
  if (held) element.closest("[tabindex='-1']")?.focus({ preventScroll: true });
  return element;
}

/** Name the page by what it shows: `entitle("bucket 3", "Colours")`. */
export function entitle(...parts) {
  document.title = [...parts.filter(Boolean), "mosaic_assets"].join(" · ");
}

/** Say something to screen readers. */
export function announce(text) {
  document.getElementById("announce").textContent = text;
}

/** An error, or a sentence, to show in place of what could not be had. `again` is offered where it may help. */
export function problemNote(error, again = null) {
  const passing = again && !(error.status < 500);
  return make("p", { class: "problem", role: "alert" }, ...worded(sentenceOf(error)),
    passing && make("button", { type: "button", onclick: () => again() }, "Try again"));
}

/** What to say of an error. All that is not an answer's own sentence comes from an answer that lacks something. */
export function sentenceOf(error) {
  if (typeof error === "string") return error;
  if (error instanceof Refused || error instanceof Gone) return error.message;
  return `The answer could not be shown: ${error.message}. Reload the page; this page and the explorer may be of different versions.`;
}

/** A text as nodes; what stands in backticks is code. */
export function worded(text) {
  return text.split("`").map((piece, number) => (number % 2 ? make("code", {}, piece) : piece));
}

/** A picture that is to be shown, or a word in its place. */
export function picture(attributes) {
  const image = make("img", { decoding: "async", ...attributes });
  image.addEventListener("error", () => image.replaceWith(make("span", { class: "none" },
    make("span", { class: "unseen" }, `${attributes.alt}: `), "The picture cannot be shown.")), { once: true });
  return image;
}

/** A table of rows that are plain objects; `columns` are [key, heading] pairs, numbers stand to the right. */
export function table(rows, columns, caption = "") {
  const isNumber = (key) => rows.length > 0 && rows.every((row) => row[key] === null || typeof row[key] === "number");
  const cell = (row, key) => (row[key] instanceof Node ? row[key] : textOf(row[key]));
  return make(
    "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption || "table" },
    make(
      "table", {},
      caption ? make("caption", { class: "unseen" }, caption) : null,
      make("thead", {}, make("tr", {}, ...columns.map(([key, heading]) =>
        make("th", { scope: "col", class: isNumber(key) ? "number" : null }, heading)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...columns.map(([key]) =>
        make("td", { class: isNumber(key) ? "number" : null }, cell(row, key)))))),
    ),
  );
}

/** A value as people read it. */
export function textOf(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") {
    return Number.isInteger(value) ? value.toLocaleString("en") : value.toLocaleString("en", { maximumSignificantDigits: 4 });
  }
  return String(value);
}

/** A moment as `2003-06-21 06:23 UTC`, a day as it is. */
export function momentOf(text) {
  if (!text) return "";
  return text.length > 10 ? `${text.slice(0, 10)} ${text.slice(11, 16)} UTC` : text;
}

/** The mark of what shows no real imagery. */
export function synthetic() {
  return make("span", { class: "synthetic" }, "synthetic");
}

/** Bytes as people read them. */
export function sizeOf(bytes) {
  if (bytes === null || bytes === undefined) return "";
  if (bytes < 1000) return `${bytes} bytes`;
  const step = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** step).toPrecision(3)} ${["", "kB", "MB", "GB"][step]}`;
}
