// The API's page: /openapi.json as people read it, with examples that can be tried.
import { Gone, announce, ask, fill, make, problemNote } from "./common.js";

const LONGEST = 6000; // characters of an answer that are shown

/** What is asked for: the operations of all tags, in the order of the description. */
function operationsOf(description) {
  return Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, said]) => ({
      path, method: method.toUpperCase(), said, name: `${method}${path}`.replace(/[^a-z0-9]+/gi, "-"),
      tag: (said.tags || ["other"])[0],
    })));
}

/** A schema in a few words: `number, 0 to 1000` or `json | geojson | ids`. */
function kindOf(schema, description) {
  if (!schema) return "";
  if (schema.$ref) return kindOf(description.components.schemas[schema.$ref.split("/").pop()], description);
  const some = schema.anyOf && schema.anyOf.filter((one) => one.type !== "null");
  if (some) return some.map((one) => kindOf(one, description)).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.type === "array") return `${kindOf(schema.items || {}, description) || "value"}, repeatable`;
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  const limits = low !== undefined && high !== undefined ? `, ${low} to ${high.toLocaleString("en")}` : "";
  const long = schema.maxLength ? `, ${schema.maxLength.toLocaleString("en")} characters at most` : "";
  return `${{ string: "text", integer: "whole number", number: "number", boolean: "true | false" }[schema.type] || schema.type || ""}${limits}${long}`;
}

/** An example of a parameter; null without one. `scene` stands for a scene that there is. */
function exampleOf(parameter, scene) {
  const schema = parameter.schema || {};
  if (schema["x-example-from"] === "scene") return parameter.in === "query" && !parameter.required ? null : scene;
  const given = parameter.example ?? (schema.examples || [])[0] ?? schema.example;
  if (given !== undefined) return given;
  if (!parameter.required) return null;
  return (schema.enum || [])[0] ?? schema.default ?? schema.minimum ?? null;
}

/** Addresses to try: what must be given, alone and with each other parameter that has an example. */
function examplesOf(operation, scene) {
  if (operation.said["x-example"]) return [operation.said["x-example"]];
  const parameters = operation.said.parameters || [];
  const given = parameters.map((one) => [one, exampleOf(one, scene)]);
  if (given.some(([one, value]) => one.required && value === null)) return [];
  let path = operation.path;
  const query = [];
  for (const [one, value] of given.filter(([one]) => one.required)) {
    if (one.in === "path") path = path.replace(`{${one.name}}`, encodeURIComponent(value));
    else query.push([one.name, value]);
  }
  const others = given.filter(([one, value]) => !one.required && value !== null);
  const questions = [query, ...others.slice(0, 4).map(([one, value]) => [...query, [one.name, value]])];
  return questions.map((pairs) => {
    const text = pairs.flatMap(([name, value]) => [value].flat().map((one) => `${name}=${readable(one)}`)).join("&");
    return text ? `${path}?${text}` : path;
  });
}

/** A value in an address, as readable as it may be. */
function readable(value) {
  return encodeURIComponent(value).replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%2F/g, "/");
}

function parameterList(operation, description) {
  const parameters = operation.said.parameters || [];
  if (!parameters.length) return make("p", { class: "note" }, "No parameters.");
  return make("dl", { class: "parameters" }, ...parameters.flatMap((one) => {
    const unless = one.schema && one.schema.default !== undefined && one.schema.default !== null && String(one.schema.default) !== "";
    return [
      make("dt", {}, make("code", {}, one.name), " ",
        make("span", { class: "note" }, [kindOf(one.schema, description), one.required ? "required" : unless ? `${one.schema.default} unless given` : ""].filter(Boolean).join("; "))),
      make("dd", {}, one.description || (one.schema || {}).description || ""),
    ];
  }));
}

/** Fields of a body, as a list like that of parameters. */
function bodyOf(operation, description) {
  const content = operation.said.requestBody && operation.said.requestBody.content["application/json"];
  if (!content) return [];
  const schema = content.schema.$ref ? description.components.schemas[content.schema.$ref.split("/").pop()] : content.schema;
  const fields = Object.entries(schema.properties || {}).map(([name, said]) => ({ name, schema: said, description: said.description }));
  return [make("h3", {}, "Body, JSON"), parameterList({ said: { parameters: fields } }, description)];
}

function answersOf(operation) {
  const good = Object.entries(operation.said.responses).filter(([status]) => status < "300");
  const kinds = good.flatMap(([, said]) => Object.keys(said.content || {}));
  return make("p", { class: "note" }, `Answers with ${kinds.join(", ") || "nothing"}; mistakes are ${Object.keys(operation.said.responses).filter((one) => /^[45]\d\d$/.test(one)).join(", ")}.`);
}

/** Ask for an example and show the answer below it. */
async function tryOut(address, place, button) {
  if (button.hasAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true"); // not disabled: it would lose the focus
  fill(place, make("p", { class: "note" }, "Asking …"));
  try {
    const began = performance.now();
    const answer = await fetch(address);
    const kind = (answer.headers.get("content-type") || "").split(";")[0];
    const picture = kind.startsWith("image/");
    const content = picture ? await answer.blob() : await answer.text();
    const took = Math.round(performance.now() - began);
    fill(place, make("p", { class: "note" }, `${answer.status}, ${kind}, ${took} ms`), picture ? pictureOf(content, address) : textOf(content, kind));
    announce(`${address} answered with ${answer.status}`);
  } catch {
    fill(place, problemNote(new Gone()));
  }
  button.removeAttribute("aria-busy");
}

function pictureOf(blob, address) {
  const image = make("img", { src: URL.createObjectURL(blob), alt: `Answer of ${address}` });
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  return image;
}

function textOf(text, kind) {
  let shown = text;
  if (kind.endsWith("json")) {
    try { shown = JSON.stringify(JSON.parse(text), null, 1); } catch { shown = text; }
  }
  const cut = shown.length > LONGEST ? `${shown.slice(0, LONGEST)}\n… ${(shown.length - LONGEST).toLocaleString("en")} more characters` : shown;
  return make("pre", { tabindex: "0", "aria-label": "The answer" }, cut);
}

function exampleList(operation, scene) {
  const addresses = operation.method === "GET" ? examplesOf(operation, scene) : [];
  if (!addresses.length) return [];
  const place = make("div", { class: "answer" });
  return [
    make("h3", {}, "Try it"),
    make("ul", { class: "examples" }, ...addresses.map((address) => {
      const button = make("button", { type: "button", "aria-label": `Show the answer of ${address}` }, "Show");
      button.addEventListener("click", () => tryOut(address, place, button));
      return make("li", {}, make("code", {}, make("a", { href: address }, address)), button);
    })),
    place,
  ];
}

function section(operation, description, scene) {
  return make("details", { class: "operation", id: operation.name },
    make("summary", {}, make("span", { class: "method" }, operation.method), " ", make("code", {}, operation.path),
      make("span", { class: "about" }, operation.said.summary || "")),
    make("div", {},
      ...(operation.said.description || "").split("\n\n").map((text) => make("p", {}, text)),
      make("h3", {}, "Parameters"), parameterList(operation, description), ...bodyOf(operation, description),
      answersOf(operation), ...exampleList(operation, scene)));
}

/** Open what the address names: /api#get-api-search. */
function openNamed() {
  const named = location.hash && document.getElementById(location.hash.slice(1));
  if (!named || named.tagName !== "DETAILS") return;
  named.open = true;
  named.scrollIntoView();
  named.querySelector("summary").focus({ preventScroll: true });
}

async function begin() {
  const place = document.getElementById("operations");
  let description;
  try {
    description = await ask("/openapi.json");
  } catch (error) {
    fill(place, problemNote(error, begin));
    return;
  }
  const first = await ask("/api/search", { limit: 1 }).catch(() => ({ scenes: [] }));
  const scene = first.scenes.length ? first.scenes[0].id : null;
  const operations = operationsOf(description);
  const tags = [...new Set(operations.map((one) => one.tag))];
  const of = (tag) => operations.filter((one) => one.tag === tag);
  fill(document.getElementById("contents"), ...tags.flatMap((tag) => [
    make("h2", {}, tag),
    make("ul", {}, ...of(tag).map((one) =>
      make("li", {}, make("a", { href: `#${one.name}` }, one.method === "GET" ? one.path : `${one.path} (${one.method})`)))),
  ]));
  fill(place, ...tags.flatMap((tag) => [make("h2", {}, tag), ...of(tag).map((one) => section(one, description, scene))]));
  openNamed();
  window.addEventListener("hashchange", openNamed);
}

begin();
