// The form: size, data sets, platform and days.

/** Write a state into the form. */
export function writeForm(form, state) {
  for (const radio of form.elements.resolution) radio.checked = radio.value === state.resolution;
  for (const box of form.elements.dataset) box.checked = state.dataset.includes(box.value);
  form.elements.density.checked = state.density;
  writePlatform(form.elements.platform, state.platform);
  form.querySelector("#first-day").value = dayOf(state.start);
  form.querySelector("#last-day").value = lastDayOf(state.end);
  form.querySelector("#days-note").textContent = daysNote(state);
}

/** A state with what the form says; what nobody changed stays to the letter. */
export function readForm(form, state) {
  const first = form.querySelector("#first-day").value, last = form.querySelector("#last-day").value;
  const platform = form.elements.platform.value;
  return {
    ...state,
    resolution: form.elements.resolution.value,
    dataset: [...form.elements.dataset].filter((box) => box.checked).map((box) => box.value),
    platform: platform === state.platform.join("\n") ? state.platform : platform ? [platform] : [],
    start: first === dayOf(state.start) ? state.start : first || null,
    end: last === lastDayOf(state.end) ? state.end : last ? dayAfter(last, 1) : null,
    density: form.elements.density.checked,
  };
}

/** Fill in what `/api/datasets` says. */
export function writeDatasets(form, datasets, state) {
  for (const { name, scenes } of datasets) {
    const count = form.querySelector(`[data-count="${CSS.escape(name)}"]`);
    if (!count) continue;
    count.textContent = short(scenes);
    count.title = `${scenes.toLocaleString("en")} in the index`;
  }
  const platforms = datasets.find(({ name }) => name === "scenes")?.platforms.filter(Boolean) || [];
  const select = form.elements.platform;
  select.replaceChildren(new Option("Any", ""), ...platforms.map((name) => new Option(name, name)));
  writePlatform(select, state.platform);
}

/** A count in five characters. */
function short(count) {
  return count < 10000 ? count.toLocaleString("en") : count.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
}

/** Choose the platforms of a state, which may be several or unknown if they come from an address. */
function writePlatform(select, platforms) {
  const wanted = platforms.join("\n");
  if (![...select.options].some((option) => option.value === wanted)) {
    select.add(new Option(platforms.join(", "), wanted));
  }
  select.value = wanted;
}

const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));

function dayOf(text) {
  return text && isDay(text.slice(0, 10)) ? text.slice(0, 10) : "";
}

/** The last day before a moment: the moment itself is not included, so midnight belongs to the day before. */
function lastDayOf(text) {
  const day = dayOf(text);
  return day && isDay(text) ? dayAfter(day, -1) : day;
}

/** The day some days after another. */
function dayAfter(day, days) {
  const moment = new Date(`${day}T00:00:00Z`);
  moment.setUTCDate(moment.getUTCDate() + days);
  return moment.toISOString().slice(0, 10);
}

/** The time that a state asks for in words: `2003-06-20 to 2003-06-21 UTC`; the last day is included, a moment is not. */
export function daysOf({ start, end }) {
  const last = end && (isDay(end) ? lastDayOf(end) : `before ${end}`);
  if (!start && !end) return "";
  if (start && last) return start === last ? `${start} UTC` : isDay(end) ? `${start} to ${last} UTC` : `from ${start} ${last} UTC`;
  return start ? `from ${start} UTC` : isDay(end) ? `until ${last} UTC` : `${last} UTC`;
}

function daysNote({ start, end }) {
  const exact = (start && !isDay(start)) || (end && !isDay(end));
  return exact
    ? `From the address: ${start || "the beginning"} to ${end || "the end"}, which is not included. Choose days instead.`
    : "Days are UTC; the last day is included. What has no time, such as tiles and chips, is left out.";
}
