// Asking for what a page shows in one place: the newest question counts.
import { ask } from "../common.js";

const asking = {}; // by place, what is under way

/** Ask, dropping what was asked before for the same place; null when something newer was asked meanwhile. */
export async function askFor(place, path, parameters) {
  asking[place]?.abort();
  const mine = (asking[place] = new AbortController());
  try {
    const found = await ask(path, parameters, { signal: mine.signal });
    return asking[place] === mine ? found : null;
  } catch (error) {
    if (error.name === "AbortError" || asking[place] !== mine) return null;
    throw error;
  }
}
