/** The frame around every view: navigation, who one is, the theme, the drawer on a phone. */

import { key } from "./api.js";
import { announce } from "./announce.js";
import { showHistory } from "./chat/history.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { closePassage } from "./passage.js";
import { me, obstacle } from "./session.js";

const PLACES = [
  { name: "chat", label: "Ask", drawing: "chat" },
  { name: "documents", label: "Documents", drawing: "folder" },
  { name: "traces", label: "Traces", drawing: "trace", needs: "traces" },
];
const TITLES = { chat: "Ask", documents: "Documents", traces: "Traces" };

const part = (id) => document.getElementById(id);

/** Fills the frame. Called once, when it is known who one is. */
export function openShell() {
  fill(part("open-menu"), icon("menu"));
  fill(part("topbar-new"), icon("plus"));
  fill(
    part("nav"),
    PLACES.filter((place) => !place.needs || !obstacle(place.needs)).map((place) =>
      h(
        "li",
        {},
        h(
          "a",
          { href: `#/${place.name}`, data: { place: place.name } },
          icon(place.drawing),
          place.label,
        ),
      ),
    ),
  );
  showHistory(part("history"));
  showWho();
  listen();
}

/** Marks where one is. */
export function moved(here) {
  menu(false);
  document.title = `${TITLES[here.name] ?? "Not found"} · Cairn`;
  for (const link of part("nav").querySelectorAll("a")) {
    if (link.dataset.place === here.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
}

function listen() {
  part("skip").addEventListener("click", (event) => {
    event.preventDefault();
    part("main").focus();
  });
  part("open-menu").addEventListener("click", () => menu(true));
  part("scrim").addEventListener("click", () => menu(false));
  part("sidebar").addEventListener("click", (event) => event.target.closest("a") && menu(false));
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
    if (document.body.classList.contains("menu-open")) menu(false);
    else closePassage();
  });
}

function menu(open) {
  const was = document.body.classList.contains("menu-open");
  document.body.classList.toggle("menu-open", open);
  part("scrim").hidden = !open;
  part("open-menu").setAttribute("aria-expanded", String(open));
  if (open) part("sidebar").querySelector("a").focus();
  else if (was) part("open-menu").focus();
}

function showWho() {
  const { key: name, tenant, role, version } = me();
  fill(
    part("who"),
    h(
      "div",
      { class: "who-text", title: `Cairn ${version}` },
      h("strong", {}, name ?? tenant),
      h("span", {}, name ? `${role} · ${tenant}` : `${role} · no key needed`),
    ),
    key.get() && iconButton("key", "Forget the key", forget),
    themeButton(),
  );
}

function forget() {
  key.forget();
  location.reload();
}

function themeButton() {
  const dark = () =>
    (document.documentElement.dataset.theme ??
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = iconButton("moon", "", () => {
    const chosen = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    localStorage.setItem("cairn.theme", chosen);
    name();
    announce(`${chosen === "dark" ? "Dark" : "Light"} theme.`);
  });
  const name = () => {
    const label = dark() ? "Use the light theme" : "Use the dark theme";
    button.setAttribute("aria-label", label);
    button.title = label;
    fill(button, icon(dark() ? "sun" : "moon"));
  };
  name();
  return button;
}
