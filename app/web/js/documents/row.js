/**
 * One document in the table, with the reason below it when it failed. Redrawn only when something
 * about it changed, so focus stays put.
 */

import { fill, h, iconButton } from "../dom.js";
import { ago, kind, moment, size, whole } from "../format.js";
import { address } from "../router.js";
import { obstacle } from "../session.js";
import { cancel, remove, replace, retry } from "./actions.js";
import { failureOf, moving, retryable, statusOf } from "./status.js";

export class Row {
  constructor(changed) {
    this.changed = changed;
    this.element = h("tbody", { role: "rowgroup" });
    this.drawn = null;
  }

  update(document) {
    const face = JSON.stringify(document);
    if (face === this.drawn) return;
    const focused = this.element.contains(window.document.activeElement)
      ? (window.document.activeElement.getAttribute("aria-label") ?? "")
      : null;
    this.drawn = face;
    this.element.dataset.status = document.status;
    fill(
      this.element,
      h(
        "tr",
        { role: "row" },
        cells(document),
        h("td", { role: "cell", class: "row-actions" }, this.actions(document)),
      ),
      document.failure &&
        h(
          "tr",
          { role: "row", class: "reason" },
          h("td", { role: "cell", colspan: "7" }, failureOf(document)),
        ),
    );
    if (focused !== null) this.refocus(focused);
  }

  refocus(label) {
    const same = [...this.element.querySelectorAll("button, a")].find(
      (one) => (one.getAttribute("aria-label") ?? "") === label,
    );
    (same ?? this.element.querySelector("a")).focus();
  }

  actions(document) {
    if (obstacle("upload")) return null;
    const act = (name, label, action) =>
      iconButton(name, label, async () => {
        if (await action(document)) this.changed();
      });
    return h(
      "div",
      { class: "tools" },
      retryable(document) &&
        h(
          "button",
          {
            type: "button",
            class: "button small",
            "aria-label": `Retry ${document.name}`,
            on: { click: async () => (await retry(document)) && this.changed() },
          },
          "Retry",
        ),
      moving(document) && act("stop", `Cancel ${document.name}`, cancel),
      act("replace", `Replace ${document.name}`, replace),
      act("trash", `Delete ${document.name}`, remove),
    );
  }
}

function cells(document) {
  const cell = (label, ...content) => h("td", { role: "cell", "data-label": label }, content);
  return [
    h(
      "th",
      { role: "rowheader", scope: "row" },
      h("a", { href: address("documents", document.id) }, document.name),
      document.title &&
        document.title !== document.name &&
        h("span", { class: "subtitle" }, document.title),
    ),
    cell("Type", kind(document.media_type, document.name)),
    h(
      "td",
      { role: "cell", "data-label": "Size", class: "right number" },
      size(document.size_bytes),
    ),
    cell("Status", h("div", { class: "status-cell" }, statusOf(document))),
    h(
      "td",
      {
        role: "cell",
        "data-label": "Chunks",
        class: `right number ${document.chunks === null ? "blank" : ""}`,
      },
      whole(document.chunks),
    ),
    cell(
      "Updated",
      h(
        "time",
        { datetime: document.updated_at, title: moment(document.updated_at) },
        ago(document.updated_at),
      ),
    ),
  ];
}
