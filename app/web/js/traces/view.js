/** The traces: every question that was asked and every file that was read, newest first. */

import { json } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { ago, duration, moment, whole } from "../format.js";
import { address } from "../router.js";
import { obstacle } from "../session.js";
import { trouble } from "../trouble.js";

const PAGE = 50;
const KINDS = [
  ["", "All"],
  ["ask", "Questions"],
  ["ingest", "Documents"],
];
const COLUMNS = ["When", "What", "Took", "Tokens", "Feedback"];
const RIGHT = new Set(["Took", "Tokens"]);

export async function tracesView(main) {
  const refused = obstacle("traces");
  if (refused) {
    main.append(
      h(
        "section",
        { class: "view" },
        h("h1", {}, "Traces"),
        h("p", { class: "role-note" }, icon("key"), refused),
      ),
    );
    return () => {};
  }
  const view = new TracesView();
  main.append(view.element);
  await view.load();
  return () => {};
}

class TracesView {
  constructor() {
    this.kind = "";
    this.filters = h("div", { class: "filters", role: "group", "aria-label": "Kind" });
    this.body = h("tbody", { role: "rowgroup" });
    this.table = h(
      "table",
      { class: "traces", role: "table", "aria-label": "Traces" },
      header(),
      this.body,
    );
    this.foot = h("div", { class: "list-foot" });
    this.element = h(
      "section",
      { class: "view" },
      h(
        "div",
        { class: "view-head" },
        h(
          "div",
          {},
          h("h1", {}, "Traces"),
          h("p", { class: "lead" }, "What each answer rests on, and where the time went"),
        ),
      ),
      h(
        "div",
        { class: "list-head" },
        this.filters,
        h(
          "button",
          { type: "button", class: "button small", on: { click: () => this.load() } },
          icon("replace"),
          "Reload",
        ),
      ),
      this.table,
      this.foot,
    );
    this.drawFilters();
  }

  /** The first page, or with a cursor the page after it. */
  async load(cursor = null) {
    try {
      const { items, next } = await json("GET", "/v1/traces", {
        params: { kind: this.kind, limit: PAGE, cursor },
      });
      if (!cursor) this.body.replaceChildren();
      this.body.append(...items.map(row));
      this.table.hidden = !this.body.children.length;
      fill(
        this.foot,
        this.table.hidden &&
          h(
            "div",
            { class: "empty" },
            icon("trace"),
            h("h2", {}, "No traces yet"),
            h("p", {}, "Ask a question, and its trace appears here."),
          ),
        next &&
          h(
            "button",
            { type: "button", class: "button", on: { click: () => this.load(next) } },
            "Show more",
          ),
      );
    } catch (problem) {
      fill(
        this.foot,
        trouble(problem, () => this.load(cursor)),
      );
    }
  }

  drawFilters() {
    fill(
      this.filters,
      KINDS.map(([value, label]) =>
        h(
          "button",
          {
            type: "button",
            class: "filter",
            "aria-pressed": String(this.kind === value),
            on: { click: () => this.choose(value) },
          },
          label,
        ),
      ),
    );
  }

  choose(kind) {
    this.kind = kind;
    this.drawFilters();
    this.filters.querySelector("[aria-pressed=true]").focus();
    this.load();
  }
}

function row(trace) {
  const cell = (label, look, ...content) =>
    h("td", { role: "cell", "data-label": label, class: look }, content);
  return h(
    "tr",
    { role: "row" },
    cell(
      "When",
      "when",
      h(
        "time",
        { datetime: trace.started_at, title: moment(trace.started_at) },
        ago(trace.started_at),
      ),
    ),
    h(
      "th",
      { role: "rowheader", scope: "row" },
      h("a", { href: address("traces", trace.trace_id) }, trace.question || trace.name),
      h("span", { class: "subtitle" }, trace.answer ?? ""),
      h("span", { class: "outcome" }, outcome(trace)),
    ),
    cell("Took", "right number", duration(trace.duration_ms)),
    cell(
      "Tokens",
      `right number ${trace.total_tokens === null ? "blank" : ""}`,
      whole(trace.total_tokens),
    ),
    cell("Feedback", trace.feedback ? "" : "blank", rating(trace)),
  );
}

/** Badges for what is out of the ordinary. */
export function outcome(trace) {
  return [
    trace.kind === "ingest" && h("span", { class: "badge" }, "reading"),
    trace.refused && h("span", { class: "badge" }, "refused"),
    trace.error && h("span", { class: "badge bad", title: trace.error }, "failed"),
  ];
}

export function rating({ feedback }) {
  if (!feedback) return h("span", { class: "none" }, "–");
  return h(
    "span",
    { class: `rating ${feedback}` },
    icon(feedback === "up" ? "thumbUp" : "thumbDown"),
    h("span", { class: "visually-hidden" }, feedback === "up" ? "Good" : "Bad"),
  );
}

function header() {
  return h(
    "thead",
    { role: "rowgroup" },
    h(
      "tr",
      { role: "row" },
      COLUMNS.map((name) =>
        h(
          "th",
          { role: "columnheader", scope: "col", class: RIGHT.has(name) ? "right" : null },
          name,
        ),
      ),
    ),
  );
}
