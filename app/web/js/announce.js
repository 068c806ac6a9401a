/** What is said: quietly to screen readers, and briefly to everyone at the foot of the page. */

import { fill, h, iconButton } from "./dom.js";

const SHOWN_MS = 6000;

/** Says a state, not every change of it, to those who cannot see it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** A short notice that leaves by itself. */
export function notify(text) {
  const notices = document.getElementById("notices");
  const dismiss = () => notice.remove();
  const notice = h(
    "div",
    { class: "notice" },
    h("span", {}, text),
    iconButton("close", "Dismiss", dismiss),
  );
  fill(notices, notice);
  announce(text);
  setTimeout(dismiss, SHOWN_MS);
}
