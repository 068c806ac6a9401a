/** What is known about a document: facts, stages with their times, versions, metadata. */

import { h, icon } from "../dom.js";
import { ago, count, duration, kind, moment, size, whole } from "../format.js";
import { address } from "../router.js";
import { obstacle } from "../session.js";
import { restore } from "./actions.js";
import { STAGES, word } from "./status.js";

const LANGUAGES = new Intl.DisplayNames("en", { type: "language" });

/** `shown` is the version whose text is on the page; `changed` is called when one is restored. */
export function aside(document, shown, changed) {
  return [
    facts(document),
    warnings(document),
    stages(document),
    versions(document, shown, changed),
    metadata(document),
  ].filter(Boolean);
}

function facts(document) {
  return part(
    "About",
    list([
      ["Type", kind(document.media_type, document.name)],
      ["Size", size(document.size_bytes)],
      ["Pages", document.pages],
      ["Chunks", whole(document.chunks)],
      ["Language", document.language && LANGUAGES.of(document.language)],
      ["Readable by", document.groups.length ? document.groups.join(", ") : "everyone here"],
      ["Uploaded", moment(document.created_at)],
      ["Attempts", document.attempts > 1 ? document.attempts : null],
    ]),
  );
}

function warnings({ warnings: said }) {
  return (
    said.length > 0 &&
    part(
      "What to know",
      h(
        "ul",
        { class: "warnings" },
        said.map((text) => h("li", {}, icon("alert"), text)),
      ),
    )
  );
}

/** Bars as wide as each stage's share of the whole. */
function stages({ timeline }) {
  const shown = timeline.filter((one) => STAGES.includes(one.stage));
  if (!shown.length) return null;
  const longest = Math.max(...shown.map((one) => one.seconds ?? 0), 0.001);
  return part(
    "Timeline",
    h(
      "ol",
      { class: "stages" },
      shown.map((one) =>
        h(
          "li",
          {},
          h("span", {}, word(one.stage)),
          h(
            "span",
            { class: "stage-track" },
            h("span", {
              class: "stage-bar",
              style: { width: `${Math.max(2, (100 * (one.seconds ?? 0)) / longest)}%` },
            }),
          ),
          h(
            "span",
            { class: "number" },
            one.seconds === null ? "now" : duration(one.seconds * 1000),
          ),
        ),
      ),
    ),
  );
}

function versions(document, shown, changed) {
  const all = [...(document.versions ?? [])].sort((a, b) => b.version - a.version);
  const line = (one) => h("li", {}, version(document, one, shown), history(document, one, changed));
  return all.length > 0 && part("Versions", h("ul", { class: "versions" }, all.map(line)));
}

function version({ id, live_version: live }, one, shown) {
  return h(
    "div",
    {},
    h(
      "a",
      {
        href: address("documents", id, { version: one.version }),
        "aria-current": one.version === shown && "true",
      },
      `Version ${one.version}`,
    ),
    one.version === live && h("span", { class: "badge good" }, "answers"),
    one.version !== live &&
      one.status !== "superseded" &&
      h("span", { class: "badge" }, word(one.status)),
    h("time", { datetime: one.created_at, title: moment(one.created_at) }, ago(one.created_at)),
  );
}

/** What it changed, and the way back to it. */
function history(document, one, changed) {
  const restorable = one.status === "superseded" && !obstacle("upload");
  if (!one.changes && !restorable) return null;
  return h(
    "div",
    {},
    difference(one.changes),
    restorable &&
      h(
        "button",
        {
          type: "button",
          class: "link",
          "aria-label": `Restore version ${one.version}`,
          on: { click: async () => (await restore(document, one.version)) && changed() },
        },
        "Restore",
      ),
  );
}

/** What a version has of the one that answered before it. */
function difference(changes) {
  if (!changes) return h("span", { class: "changes" });
  const { kept, added, removed } = changes;
  const said = `${count(added, "chunk")} added, ${whole(removed)} removed, ${whole(kept)} kept`;
  return h(
    "span",
    { class: "changes number", title: said },
    h("span", { "aria-hidden": "true" }, `+${whole(added)} −${whole(removed)} chunks`),
    h("span", { class: "visually-hidden" }, said),
  );
}

function metadata({ metadata: fields }) {
  const pairs = Object.entries(fields).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(", ") : String(value),
  ]);
  return pairs.length > 0 && part("Metadata", list(pairs));
}

function part(title, content) {
  return h("section", { class: "aside-part" }, h("h2", {}, title), content);
}

function list(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]),
  );
}
