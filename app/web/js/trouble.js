/** A failure as people see it: what happened, what to do, and the id to quote. */

import { h, icon } from "./dom.js";

/** `retry`, where given, becomes a button. */
export function trouble(problem, retry) {
  return h(
    "div",
    { class: "problem", role: "alert" },
    icon("alert"),
    h(
      "div",
      {},
      h("p", {}, h("strong", {}, problem.title)),
      h("p", {}, problem.message, " ", problem.advice ?? ""),
      (problem.fields ?? []).map((one) => h("p", {}, `${one.field}: ${one.message}`)),
      problem.requestId && h("p", {}, h("small", {}, `Request ${problem.requestId}`)),
      retry &&
        h("button", { type: "button", class: "button small", on: { click: retry } }, "Try again"),
    ),
  );
}
