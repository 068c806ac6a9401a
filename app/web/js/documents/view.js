/** The documents: everything uploaded, how far each is, and why one failed. */

import { announce } from "../announce.js";
import { json } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { count } from "../format.js";
import { obstacle } from "../session.js";
import { trouble } from "../trouble.js";
import { list } from "./listing.js";
import { QueueLine } from "./queue.js";
import { Row } from "./row.js";
import { STAGES, moving, word } from "./status.js";
import { openTray } from "./tray.js";
import { uploads } from "./uploads.js";

const BUSY_MS = 1000;
const CALM_MS = 15_000;
const TYPING_MS = 250;
const FILTERS = [
  ["All", []],
  ["In progress", STAGES],
  [word("ready"), ["ready"]],
  [word("failed"), ["failed"]],
];
const COLUMNS = ["Name", "Type", "Size", "Status", "Chunks", "Updated"];

export async function documentsView(main) {
  const view = new DocumentsView();
  main.append(view.element);
  await view.refresh();
  return () => view.close();
}

class DocumentsView {
  constructor() {
    this.statuses = [];
    this.name = "";
    this.pages = 1;
    this.rows = new Map();
    this.timer = null;
    this.asked = 0;
    this.tray = openTray();
    this.queue = new QueueLine(() => this.refresh());
    this.lead = h("p", { class: "lead" }, "Loading");
    this.filters = h("div", { class: "filters", role: "group", "aria-label": "Status" });
    this.notice = h("div");
    this.table = h(
      "table",
      { class: "documents", role: "table", "aria-label": "Documents", hidden: true },
      header(),
    );
    this.foot = h("div", { class: "list-foot" });
    this.element = h(
      "section",
      { class: "view" },
      h("div", { class: "view-head" }, h("div", {}, h("h1", {}, "Documents"), this.lead)),
      this.tray.element,
      this.queue.element,
      h("div", { class: "list-head" }, this.filters, this.search()),
      this.notice,
      this.table,
      this.foot,
    );
    this.onArrived = () => this.refresh();
    this.onShown = () => !document.hidden && this.refresh();
    uploads.addEventListener("arrived", this.onArrived);
    document.addEventListener("visibilitychange", this.onShown);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.tray.close();
    uploads.removeEventListener("arrived", this.onArrived);
    document.removeEventListener("visibilitychange", this.onShown);
  }

  search() {
    let typing = null;
    const input = h("input", {
      class: "input",
      type: "search",
      placeholder: "Filter by name",
      "aria-label": "Filter by name",
      on: {
        input: () => {
          clearTimeout(typing);
          typing = setTimeout(() => this.narrow({ name: input.value.trim() }), TYPING_MS);
        },
      },
    });
    return h("div", { class: "search" }, icon("search"), input);
  }

  narrow(change) {
    Object.assign(this, change, { pages: 1 });
    this.refresh();
  }

  /** Loads and draws, then again after a while: soon while something moves. */
  async refresh() {
    clearTimeout(this.timer);
    const turn = ++this.asked;
    try {
      const [listed, queue] = await Promise.all([list(this), json("GET", "/v1/queue")]);
      if (turn !== this.asked || this.closed) return;
      this.notice.replaceChildren();
      this.queue.update(queue);
      this.draw(listed);
      this.again(listed.items.some(moving) || this.working ? BUSY_MS : CALM_MS);
    } catch (problem) {
      if (turn !== this.asked || this.closed) return;
      fill(
        this.notice,
        trouble(problem, () => this.refresh()),
      );
      this.again(CALM_MS);
    }
  }

  again(afterMs) {
    if (!document.hidden) this.timer = setTimeout(() => this.refresh(), afterMs);
  }

  draw({ items, next, counts }) {
    this.drawLead(counts);
    this.drawRows(items);
    this.table.hidden = items.length === 0;
    fill(
      this.foot,
      items.length === 0 && this.empty(counts),
      next &&
        h(
          "button",
          {
            type: "button",
            class: "button",
            on: {
              click: () => {
                this.pages += 1;
                this.refresh();
              },
            },
          },
          "Show more",
        ),
    );
  }

  drawLead(counts) {
    const number = (statuses) => statuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
    const busy = number(STAGES);
    const said = number(Object.keys(counts))
      ? `${count(number(["ready"]), "document")} ready to be asked`
      : "Nothing is loaded yet";
    if (this.working && !busy) announce(`Everything is read. ${said}.`);
    this.working = busy > 0;
    if (this.lead.textContent !== said) this.lead.textContent = said;
    const face = JSON.stringify([counts, this.statuses]);
    if (face === this.face) return;
    this.face = face;
    this.drawFilters((statuses) => number(statuses.length ? statuses : Object.keys(counts)));
  }

  drawFilters(number) {
    const at = [...this.filters.children].indexOf(document.activeElement);
    fill(
      this.filters,
      FILTERS.map(([label, statuses]) =>
        h(
          "button",
          {
            type: "button",
            class: "filter",
            "aria-pressed": String(this.statuses.join() === statuses.join()),
            on: { click: () => this.narrow({ statuses }) },
          },
          label,
          h("span", { class: "number" }, number(statuses)),
        ),
      ),
    );
    if (at >= 0) this.filters.children[at].focus();
  }

  drawRows(items) {
    const listed = new Set(items.map((item) => item.id));
    for (const [id, row] of this.rows)
      if (!listed.has(id)) this.rows.delete(id) && row.element.remove();
    items.forEach((item, at) => {
      if (!this.rows.has(item.id)) this.rows.set(item.id, new Row(() => this.refresh()));
      const row = this.rows.get(item.id);
      row.update(item);
      const there = this.table.tBodies[at];
      if (there !== row.element) this.table.insertBefore(row.element, there ?? null);
    });
  }

  empty(counts) {
    const any = Object.values(counts).some(Boolean);
    if (any) return h("div", { class: "empty" }, h("p", {}, "No document matches this filter."));
    return h(
      "div",
      { class: "empty" },
      icon("folder"),
      h("h2", {}, "No documents yet"),
      h(
        "p",
        {},
        obstacle("upload")
          ? "An editor can upload some."
          : "Drop a few files above. They can be asked as soon as they are read.",
      ),
    );
  }
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
          {
            role: "columnheader",
            scope: "col",
            class: name === "Size" || name === "Chunks" ? "right" : null,
          },
          name,
        ),
      ),
      h(
        "th",
        { role: "columnheader", scope: "col" },
        h("span", { class: "visually-hidden" }, "Actions"),
      ),
    ),
  );
}
