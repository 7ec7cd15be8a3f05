// What every page's script uses: asking the API, making elements, saying things to screen readers.

/** An answer that the API refused; `message` is the sentence of its problem, `status` the HTTP status. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Ask the API for JSON. `parameters` is a URLSearchParams or a plain object; null and "" are left out, arrays repeat. */
export async function ask(path, parameters = {}, options = {}) {
  const answer = await fetch(addressOf(path, parameters), { headers: { accept: "application/json" }, ...options });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, content.detail || `${answer.status} ${answer.statusText}`);
  return content;
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

/** Put children in place of what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Say something to screen readers. */
export function announce(text) {
  document.getElementById("announce").textContent = text;
}

/** A sentence about an error, to show in place of what could not be had. */
export function problemNote(error) {
  return make("p", { class: "problem", role: "alert" }, error.message);
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

/** A moment as `2003-06-21 06:23 UTC`. */
export function momentOf(text) {
  return text ? `${text.slice(0, 10)} ${text.slice(11, 16)} UTC` : "";
}
