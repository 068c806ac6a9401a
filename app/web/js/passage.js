/** The side panel in which a cited passage is read in place, with the exact quote marked. */

import { json } from "./api.js";
import { announce } from "./announce.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { blocksAround, readable, render, stretch } from "./reading.js";
import { address } from "./router.js";

const AROUND = 8;
/** Blocks shown before and after the passage: about a page, so the context is there at once. */
const KEPT = 6;
/** Documents kept read, so that going through an answer's citations asks once for each. */

const texts = new Map();
let returnTo = null;

/** The content of one version, read once. Raises `Problem`. */
export async function contentOf(documentId, version) {
  const name = `${documentId}/${version}`;
  if (!texts.has(name)) {
    texts.set(
      name,
      readable(await json("GET", `/v1/documents/${documentId}/content`, { params: { version } })),
    );
    if (texts.size > KEPT) texts.delete(texts.keys().next().value);
  }
  return texts.get(name);
}

/**
 * Opens the panel on a passage. `cited`: `{source, citation}` with `citation` null while unproven.
 */
export async function openPassage(cited, steps = []) {
  const panel = document.getElementById("panel");
  if (panel.hidden) returnTo = document.activeElement;
  const body = h(
    "div",
    { class: "panel-body reading", tabindex: "-1" },
    h("p", {}, cited.source.text),
  );
  fill(panel, head(cited, steps), body, foot(cited));
  panel.hidden = false;
  document.body.classList.add("with-panel");
  cover(true);
  panel.querySelector("h2").focus({ preventScroll: true });
  announce(`Source ${cited.source.number} is open: ${nameOf(cited.source)}.`);
  await showInPlace(body, cited);
}

export function closePassage() {
  const panel = document.getElementById("panel");
  if (panel.hidden) return;
  panel.hidden = true;
  panel.replaceChildren();
  document.body.classList.remove("with-panel");
  cover(false);
  if (returnTo?.isConnected) returnTo.focus();
  returnTo = null;
}

/** Where the quote stands, or the passage while there is none, in words: its section and page. */
export function placeOf({ source, citation }) {
  const at = citation ?? source;
  const page = at.page ? `page ${at.page}` : null;
  return [at.section.join(" › "), page].filter(Boolean).join(", ");
}

export function nameOf(source) {
  return source.title || source.name;
}

async function showInPlace(body, { source, citation }) {
  try {
    const text = await contentOf(source.document_id, source.version);
    if (!body.isConnected) return;
    const marks = [stretch(text, "passage", source.start, source.end)];
    if (citation) marks.unshift(stretch(text, "quote", citation.start, citation.end));
    const [from, to] = blocksAround(text, marks[0].start, marks[0].end);
    const [first, last] = [Math.max(from - AROUND, 0), Math.min(to + AROUND, text.blocks.length)];
    fill(
      body,
      first > 0 && gap(),
      render(text, marks, first, last),
      last < text.blocks.length && gap(),
    );
    scrollToMark(body);
  } catch (problem) {
    body.prepend(
      h(
        "p",
        { class: "gone" },
        problem.status === 404
          ? "This version is no longer kept. This is the passage as it was when the answer was given."
          : `The document cannot be shown around the passage. ${problem.message}`,
      ),
    );
  }
}

/** Brings the first mark to a third of the height, where the eye is. */
export function scrollToMark(body, scroller = body) {
  const mark = body.querySelector(".quote") ?? body.querySelector(".passage");
  if (!mark) return;
  const top = mark.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
  scroller.scrollTop += top - scroller.clientHeight / 3;
}

function head({ source, citation }, steps) {
  return h(
    "div",
    { class: "panel-head" },
    h(
      "div",
      { class: "panel-top" },
      h("span", { class: "cite still", "aria-hidden": "true" }, source.number),
      h(
        "h2",
        { id: "panel-title", tabindex: "-1" },
        h("span", { class: "visually-hidden" }, `Source ${source.number}: `),
        nameOf(source),
      ),
      h(
        "div",
        { class: "panel-tools" },
        steppers(source, citation, steps),
        iconButton("close", "Close", closePassage),
      ),
    ),
    h("p", { class: "crumbs" }, [source.name, placeOf({ source, citation })].filter(Boolean).join(" · ")),
  );
}

/** Back and forth through the answer's citations. */
function steppers(source, citation, steps) {
  const at = steps.findIndex((step) => step.source === source && step.citation === citation);
  if (at < 0 || steps.length < 2) return null;
  const go = (to) => openPassage(steps[to], steps);
  return [
    iconButton("back", "Previous citation", () => go(at - 1), { disabled: at === 0 }),
    h(
      "span",
      { class: "turned" },
      iconButton("back", "Next citation", () => go(at + 1), { disabled: at === steps.length - 1 }),
    ),
  ];
}

function foot({ source, citation }) {
  const { start, end } = citation ?? source;
  return h(
    "div",
    { class: "panel-foot" },
    h("span", {}, citation ? "The quote, in its place" : "The passage, in its place"),
    h(
      "a",
      {
        class: "button small",
        href: address("documents", source.document_id, { version: source.version, start, end }),
      },
      icon("file"),
      "Open document",
    ),
  );
}

function gap() {
  return h("p", { class: "gap", "aria-hidden": "true" }, "· · ·");
}

/** On a phone the panel covers everything, so what is under it must not take focus. */
function cover(on) {
  const sheet = matchMedia("(max-width: 760px)").matches;
  for (const id of ["main", "sidebar"]) document.getElementById(id).inert = on && sheet;
  document.body.classList.toggle("sheet-open", on && sheet);
}
