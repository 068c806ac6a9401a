/** One step of a trace in full: passages with scores, a model's messages, or data as it is. */

import { h } from "../dom.js";
import { duration, whole } from "../format.js";
import { address } from "../router.js";

/** What a step shows, by Langfuse's type. */
export function observation(step) {
  const own = OWN[step.type]?.(step) ?? {};
  return [
    h(
      "div",
      { class: "observation-head" },
      h("h2", { tabindex: "-1" }, step.name),
      h("span", { class: "badge" }, step.type),
    ),
    step.status_message &&
      h("p", { class: step.level === "ERROR" ? "failure" : "note" }, step.status_message),
    facts(step),
    own.input ?? part("Input", step.input),
    own.output ?? part("Output", step.output),
    part("Metadata", step.metadata),
  ].filter(Boolean);
}

const OWN = {
  retriever: (step) => ({
    output: (Array.isArray(step.output) && section("Passages", passages(step.output))) || undefined,
  }),
  generation: (step) => ({
    input: isMessages(step.input) ? section("Messages", messages(step.input)) : undefined,
    output:
      typeof step.output === "string"
        ? section("Text", h("pre", { class: "prose", tabindex: "0" }, step.output))
        : undefined,
  }),
};

function facts(step) {
  const pairs = [
    ["Began after", duration(step.start_ms)],
    ["Took", duration(step.duration_ms)],
    ["First text after", step.first_token_ms ? duration(step.first_token_ms) : null],
    ["Model", step.model],
    ...Object.entries(step.usage ?? {}).map(([name, value]) => [worded(name), whole(value)]),
  ];
  return h(
    "dl",
    { class: "trace-facts" },
    pairs
      .filter(([, value]) => value)
      .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", { class: "number" }, value))),
  );
}

function passages(found) {
  return h(
    "ol",
    { class: "scored" },
    found.map((one, at) =>
      h(
        "li",
        {},
        h(
          "div",
          { class: "scored-head" },
          h("strong", {}, `${at + 1}. `, linked(one)),
          h(
            "span",
            { class: "number" },
            `score ${figure(one.score)} · similarity ${figure(one.similarity)}`,
          ),
        ),
        h(
          "p",
          { class: "place" },
          [...(one.section ?? []), one.page && `page ${one.page}`].filter(Boolean).join(" › "),
        ),
        one.similarity > 0 &&
          h(
            "span",
            { class: "stage-track" },
            h("span", {
              class: "stage-bar",
              style: { width: `${Math.min(100 * one.similarity, 100)}%` },
            }),
          ),
        one.text && h("p", { class: "scored-text" }, one.text),
      ),
    ),
  );
}

/** The name; it leads to the passage in its document where the trace knows the place. */
function linked({ name, document_id: id, version, start, end }) {
  return id ? h("a", { href: address("documents", id, { version, start, end }) }, name) : name;
}

function messages(all) {
  return h(
    "ol",
    { class: "messages" },
    all.map((one) =>
      h(
        "li",
        { data: { role: one.role } },
        h("strong", {}, one.role),
        h("pre", { class: "prose", tabindex: "0" }, text(one.content)),
      ),
    ),
  );
}

function isMessages(input) {
  return (
    Array.isArray(input) && input.every((one) => one && typeof one === "object" && "role" in one)
  );
}

function part(title, value) {
  const nothing =
    value === null ||
    value === undefined ||
    value === "" ||
    (typeof value === "object" && !Object.keys(value).length);
  return !nothing && section(title, h("pre", { tabindex: "0" }, text(value)));
}

function section(title, content) {
  return h("div", { class: "observation-part" }, h("h3", {}, title), content);
}

function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function worded(name) {
  return name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
}

function figure(number) {
  return typeof number === "number" ? number.toFixed(3) : "–";
}
