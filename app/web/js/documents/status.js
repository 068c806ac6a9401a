/** What a document's status means to people: its words, its look, whether it still moves. */

import { h } from "../dom.js";
import { remaining, whole } from "../format.js";

const STATUS = {
  queued: ["Waiting", "busy"],
  parsing: ["Reading", "busy"],
  chunking: ["Splitting", "busy"],
  embedding: ["Embedding", "busy"],
  indexing: ["Indexing", "busy"],
  ready: ["Ready", "good"],
  failed: ["Failed", "bad"],
  cancelled: ["Cancelled", ""],
  superseded: ["Replaced", ""],
};

/** What one waits for, where that is worth saying. */
const WAITS = { queue: "for the queue, which is away", retry: "to be tried again" };

export const STAGES = ["queued", "parsing", "chunking", "embedding", "indexing"];

export function word(status) {
  return STATUS[status]?.[0] ?? status;
}

/** Whether it can be sent back to the queue. */
export function retryable(document) {
  return document.status === "failed" || document.status === "cancelled";
}

export function moving(document) {
  return STAGES.includes(document.status);
}

/** The badge; while work goes on, the bar and how long it will take. */
export function statusOf(document) {
  const badge = h(
    "span",
    { class: `badge ${STATUS[document.status]?.[1] ?? ""}` },
    word(document.status),
  );
  if (!moving(document)) return [badge];
  const { done = 0, total = 0, eta_s: eta, waits_for: what } = document.progress ?? {};
  const facts = [total > 1 && `${whole(done)} of ${whole(total)}`, remaining(eta), WAITS[what]]
    .filter(Boolean)
    .join(", ");
  return [
    h("span", { class: "moving" }, badge, h("span", { class: "eta number" }, facts)),
    h("progress", {
      class: "bar",
      max: String(total || 1),
      value: total ? String(done) : null,
      "aria-label": `${word(document.status)} ${document.name}`,
    }),
  ];
}

/** Why it failed, in the service's words. */
export function failureOf(document) {
  return document.failure && h("p", { class: "failure" }, document.failure.reason);
}
