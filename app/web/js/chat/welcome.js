/** What stands there before the first question: what is loaded, and questions it could answer. */

import { json } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { count } from "../format.js";
import { obstacle } from "../session.js";
import { trouble } from "../trouble.js";

const EXAMPLES = 4;
const LOOKED_AT = 12;
const SHORT = 48;
/** Characters: longer titles and headings do not make a question one would ask. */

/** `ask(question)` is called when an example is chosen. */
export function welcome(ask) {
  const loaded = h("div", { class: "loaded", "aria-live": "polite" });
  const examples = h("div", { class: "examples" });
  show(loaded, examples, ask);
  return h("div", { class: "welcome" },
    h("h1", { tabindex: "-1" }, "What would you like to know?"),
    loaded, examples);
}

async function show(loaded, examples, ask) {
  try {
    const { items, counts } = await json("GET", "/v1/documents", { params: { status: "ready", limit: LOOKED_AT } });
    fill(loaded, counts.ready ? summary(counts) : nothing(counts));
    const questions = await questionsFrom(items);
    if (questions.length) fill(examples, h("h2", {}, "From your documents"), list(questions, ask));
  } catch (problem) {
    fill(loaded, trouble(problem, () => show(loaded, examples, ask)));
  }
}

function list(questions, ask) {
  return h("ul", {}, questions.map((text) =>
    h("li", {}, h("button", { type: "button", on: { click: () => ask(text) } }, text, icon("chevron")))));
}

function summary(counts) {
  const { ready = 0, failed = 0, ...rest } = counts;
  const coming = Object.values(rest).reduce((sum, one) => sum + one, 0);
  return h("p", {},
    h("a", { href: "#/documents" }, count(ready, "document")), ` ${ready === 1 ? "is" : "are"} ready to be asked`,
    coming > 0 && `, ${coming} ${coming === 1 ? "is" : "are"} being read`,
    failed > 0 && [", ", h("a", { href: "#/documents" }, `${failed} could not be read`)],
    ". Every answer shows the passages it rests on.");
}

function nothing(counts) {
  const coming = Object.values(counts).reduce((sum, one) => sum + one, 0) - (counts.failed ?? 0);
  if (coming > 0) return h("p", {}, `The first ${coming === 1 ? "document is" : "documents are"} being read. `, h("a", { href: "#/documents" }, "See how far"));
  const refused = obstacle("upload");
  return [h("p", {}, "Nothing is loaded yet. ", refused ? "Ask an editor to upload documents." : "Answers come from the documents you upload, and from nothing else."),
    !refused && h("a", { class: "button primary", href: "#/documents" }, icon("upload"), "Upload documents")];
}

/** Documents with short titles first: their questions read as if somebody asked them. */
async function questionsFrom(documents) {
  const title = (document) => (document.title || document.name).length;
  const shortest = [...documents].sort((a, b) => Math.max(title(a), SHORT) - Math.max(title(b), SHORT));
  return (await Promise.all(shortest.slice(0, EXAMPLES).map(question))).filter(Boolean);
}

/** A question a document answers, made from a heading in it; null where it has none. */
async function question(document) {
  try {
    const { items } = await json("GET", `/v1/documents/${document.id}/chunks`, { params: { limit: 8 } });
    const title = document.title || document.name;
    const sections = items.map((chunk) => chunk.section.at(-1) ?? "").filter((name) => name && name.length <= SHORT);
    const section = sections.find((name) => name.toLowerCase() !== title.toLowerCase());
    return section ? `What does “${title}” say about ${section}?` : `What is “${title}” about?`;
  } catch {
    return null;
  }
}
