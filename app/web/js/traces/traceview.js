/** One trace: where the time went, step by step, and what went into and came out of each. */

import { json } from "../api.js";
import { announce } from "../announce.js";
import { fill, h, icon } from "../dom.js";
import { duration, moment, whole } from "../format.js";
import { obstacle } from "../session.js";
import { trouble } from "../trouble.js";
import { observation } from "./observation.js";
import { nested, waterfall } from "./waterfall.js";
import { outcome, rating, tracesView } from "./view.js";

export async function traceView(main, route) {
  if (obstacle("traces")) return tracesView(main);
  const element = h("section", { class: "view" });
  main.append(element);
  const load = async () => {
    try {
      draw(element, await json("GET", `/v1/traces/${encodeURIComponent(route.id)}`));
    } catch (problem) {
      fill(element, back(), trouble(problem, load));
    }
  };
  await load();
  return () => {};
}

function draw(element, trace) {
  const detail = h("section", { class: "observation", "aria-label": "Step" });
  const steps = nested(trace.observations);
  const choose = (step) => {
    fill(detail, observation(step));
    announce(`${step.name}, ${duration(step.duration_ms)}.`);
  };
  fill(
    element,
    back(),
    head(trace),
    h("div", { class: "trace-columns" }, waterfall(steps, trace.duration_ms, choose), detail),
  );
  const first =
    steps.find((step) => step.type === "generation") ??
    steps.find((step) => step.type === "retriever") ??
    steps[0];
  if (first) element.querySelector(`[data-step="${CSS.escape(first.id)}"]`).click();
}

function head(trace) {
  const fact = (term, value) =>
    value !== null &&
    value !== undefined &&
    value !== "" &&
    h("div", {}, h("dt", {}, term), h("dd", { class: "number" }, value));
  return h(
    "div",
    { class: "trace-head" },
    h("h1", { tabindex: "-1" }, trace.question || trace.name),
    trace.answer && h("p", { class: "trace-answer" }, trace.answer),
    trace.error && h("div", { class: "problem" }, icon("alert"), h("p", {}, trace.error)),
    h(
      "dl",
      { class: "trace-facts" },
      fact("When", moment(trace.started_at)),
      fact("Took", duration(trace.duration_ms)),
      trace.total_tokens !== null && fact("Tokens", whole(trace.total_tokens)),
      fact("Model", trace.model),
      fact("Release", trace.release),
      (trace.refused || trace.kind === "ingest") && fact("Outcome", h("span", {}, outcome(trace))),
      trace.feedback && fact("Feedback", rating(trace)),
      fact("Trace", h("code", {}, trace.trace_id)),
    ),
  );
}

function back() {
  return h("a", { class: "back-link", href: "#/traces" }, icon("arrowLeft"), "Traces");
}
