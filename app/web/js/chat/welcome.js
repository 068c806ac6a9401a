/** What stands there before the first question: what is loaded, and questions it could answer. */

import { json } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { count } from "../format.js";
import { obstacle } from "../session.js";
import { trouble } from "../trouble.js";

const EXAMPLES = 4;
const LOOKED_AT = 30;
const AT_ONCE = 6;
const CHUNKS = 12;
const LONGEST = 48;
/** Characters of a heading: a longer one does not make a question that one would ask. */

/** `ask(question)` is called when an example is chosen. */
export function welcome(ask) {
  const loaded = h("div", { class: "loaded", "aria-live": "polite" });
  const examples = h("div", { class: "examples" });
  show(loaded, examples, ask);
  return h(
    "div",
    { class: "welcome" },
    h("h1", { tabindex: "-1" }, "What would you like to know?"),
    loaded,
    examples,
  );
}

async function show(loaded, examples, ask) {
  try {
    const { items, counts } = await json("GET", "/v1/documents", {
      params: { status: "ready", limit: LOOKED_AT },
    });
    fill(loaded, counts.ready ? summary(counts) : nothing(counts));
    const questions = await questionsFrom(items);
    if (questions.length) fill(examples, h("h2", {}, "From your documents"), list(questions, ask));
  } catch (problem) {
    fill(
      loaded,
      trouble(problem, () => show(loaded, examples, ask)),
    );
  }
}

function list(questions, ask) {
  return h(
    "ul",
    {},
    questions.map((text) =>
      h(
        "li",
        {},
        h("button", { type: "button", on: { click: () => ask(text) } }, text, icon("chevron")),
      ),
    ),
  );
}

function summary(counts) {
  const { ready = 0, failed = 0, ...rest } = counts;
  const coming = Object.values(rest).reduce((sum, one) => sum + one, 0);
  return h(
    "p",
    {},
    h("a", { href: "#/documents" }, count(ready, "document")),
    ` ${ready === 1 ? "is" : "are"} ready to be asked`,
    coming > 0 && `, ${coming} ${coming === 1 ? "is" : "are"} being read`,
    failed > 0 && [", ", h("a", { href: "#/documents" }, `${failed} could not be read`)],
    ". Every answer shows the passages it rests on.",
  );
}

function nothing(counts) {
  const coming = Object.values(counts).reduce((sum, one) => sum + one, 0) - (counts.failed ?? 0);
  if (coming > 0)
    return h(
      "p",
      {},
      `The first ${coming === 1 ? "document is" : "documents are"} being read. `,
      h("a", { href: "#/documents" }, "See how far"),
    );
  const refused = obstacle("upload");
  return [
    h(
      "p",
      {},
      "Nothing is loaded yet. ",
      refused
        ? "Ask an editor to upload documents."
        : "Answers come from the documents you upload, and from nothing else.",
    ),
    !refused &&
      h("a", { class: "button primary", href: "#/documents" }, icon("upload"), "Upload documents"),
  ];
}

/**
 * At most one question a document, none twice; a few documents at a time, until there are enough.
 */
async function questionsFrom(documents) {
  const found = new Set();
  for (let at = 0; at < documents.length && found.size < EXAMPLES; at += AT_ONCE) {
    const asked = await Promise.all(documents.slice(at, at + AT_ONCE).map(question));
    asked.filter(Boolean).forEach((one) => found.add(one));
  }
  return [...found].slice(0, EXAMPLES);
}

/**
 * A question this document answers: about a heading whose words its text takes up. Null without
 * one.
 */
async function question(document) {
  try {
    const { items } = await json("GET", `/v1/documents/${document.id}/chunks`, {
      params: { limit: CHUNKS },
    });
    const chunk = items.find(takesUpItsHeading);
    return chunk ? `What should I know about ${headingOf(chunk)}?` : null;
  } catch {
    return null;
  }
}

function takesUpItsHeading(chunk) {
  const heading = headingOf(chunk);
  const words = heading.toLowerCase().match(/\p{L}{4,}/gu) ?? [];
  const body = chunk.text.replaceAll(heading, "").toLowerCase();
  const plain = heading.length <= LONGEST && !/[?()]/.test(heading);
  return plain && words.length >= 2 && words.every((word) => body.includes(word));
}

/** The heading next above, without its number. */
function headingOf({ section }) {
  return (section.at(-1) ?? "").replace(/^(\(?\w{1,3}[.)]|\d+(\.\d+)*)\s+/, "");
}
