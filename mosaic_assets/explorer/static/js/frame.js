// What stands above every page: a link to what it shows.
import { announce } from "./common.js";

const SAID_FOR = 2500; // milliseconds
const button = document.getElementById("copy-link");
const usual = button.textContent;

/** The address is the whole state of a page, so a copy of it is all that somebody else needs. */
async function copyLink() {
  await navigator.clipboard.writeText(location.href);
  button.textContent = "Link copied";
  announce("The link to this view is copied.");
  setTimeout(() => { button.textContent = usual; }, SAID_FOR);
}

button.addEventListener("click", () => copyLink().catch(() => announce("The link could not be copied; copy the address instead.")));
// Browsers lend the clipboard to loopback and https only.
button.hidden = !navigator.clipboard;
