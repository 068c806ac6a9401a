/** One document: what was read from it, where each chunk begins and ends, and how it came to be. */

import { json } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { trouble } from "../trouble.js";
import { obstacle } from "../session.js";
import { cancel, download, remove, replace, retry } from "./actions.js";
import { aside } from "./aside.js";
import { failureOf, moving, retryable, statusOf } from "./status.js";
import { TextPane } from "./textpane.js";
import { uploads } from "./uploads.js";

const POLL_MS = 1000;

export async function documentView(main, route) {
  const view = new DocumentView(route);
  main.append(view.element);
  await view.refresh();
  return () => view.close();
}

class DocumentView {
  constructor({ id, params }) {
    this.id = id;
    this.asked = Number(params.get("version")) || null;
    this.found = params.has("start")
      ? { start: Number(params.get("start")), end: Number(params.get("end")) }
      : null;
    this.pane = null;
    this.head = h("div", {});
    this.aside = h("div", { class: "document-aside" });
    this.place = h("div", { class: "document-text" });
    this.element = h(
      "section",
      { class: "view document" },
      h("a", { class: "back-link", href: "#/documents" }, icon("arrowLeft"), "Documents"),
      this.head,
      h("div", { class: "document-columns" }, this.place, this.aside),
    );
    this.onArrived = (event) => event.detail.id === this.id && this.refresh();
    uploads.addEventListener("arrived", this.onArrived);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    uploads.removeEventListener("arrived", this.onArrived);
  }

  async refresh() {
    clearTimeout(this.timer);
    try {
      const document = await json("GET", `/v1/documents/${this.id}`);
      if (this.closed) return;
      this.draw(document);
      await this.showText(document);
      if (moving(document) && !this.closed) this.timer = setTimeout(() => this.refresh(), POLL_MS);
    } catch (problem) {
      if (!this.closed)
        fill(
          this.head,
          trouble(problem, () => this.refresh()),
        );
    }
  }

  draw(document) {
    const face = JSON.stringify(document);
    if (face === this.face) return;
    this.face = face;
    const titled = document.title && document.title !== document.name;
    fill(
      this.head,
      h(
        "div",
        { class: "view-head" },
        h(
          "div",
          { class: "document-title" },
          h("h1", { tabindex: "-1" }, document.title || document.name),
          titled && h("p", { class: "lead" }, document.name),
          h("div", { class: "document-status" }, statusOf(document)),
          failureOf(document),
        ),
        h("div", { class: "head-actions" }, this.actions(document)),
      ),
    );
    fill(this.aside, aside(document, this.asked ?? document.live_version, () => this.refresh()));
  }

  actions(document) {
    const button = (name, label, act, look = "") =>
      h(
        "button",
        { type: "button", class: `button ${look}`, on: { click: act } },
        icon(name),
        label,
      );
    const may = !obstacle("upload");
    return [
      may &&
        retryable(document) &&
        button(
          "replace",
          "Retry",
          async () => (await retry(document)) && this.refresh(),
          "primary",
        ),
      may &&
        moving(document) &&
        button("stop", "Cancel", async () => (await cancel(document)) && this.refresh()),
      button("download", "Original", () => download(document, this.asked)),
      may && button("upload", "Replace", () => replace(document)),
      may &&
        button(
          "trash",
          "Delete",
          async () => {
            if (await remove(document)) location.hash = "#/documents";
          },
          "danger",
        ),
    ];
  }

  /** Shows the text once there is one, and again when a new version took its place. */
  async showText(document) {
    const version = this.asked ?? document.live_version;
    if (version === this.version) return;
    this.version = version;
    if (!version) {
      fill(
        this.place,
        h(
          "div",
          { class: "empty" },
          icon("file"),
          h(
            "p",
            {},
            moving(document)
              ? "The text appears here as soon as it is read."
              : "No text was read from this file.",
          ),
        ),
      );
      this.version = null;
      return;
    }
    this.pane = new TextPane(document.id, version, this.found);
    fill(this.place, this.pane.element);
    await this.pane.open();
  }
}
