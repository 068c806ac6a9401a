/** A document's whole text to read, with its chunks outlined when asked for. */

import { json } from "../api.js";
import { fill, h } from "../dom.js";
import { contentOf } from "../passage.js";
import { blocksAround, render, stretch } from "../reading.js";
import { trouble } from "../trouble.js";

const WINDOW = 400;
/** Blocks drawn at once: a few dozen pages, so that a book opens as fast as a letter. */
const CHUNK_PAGE = 500;

export class TextPane {
  /**
   * `found`: the stretch `{start, end}`, in the service's characters, to mark and scroll to; or
   * null.
   */
  constructor(documentId, version, found) {
    this.documentId = documentId;
    this.version = version;
    this.found = found;
    this.chunks = null;
    this.outlined = false;
    this.body = h("div", { class: "reading" });
    this.toggle = h(
      "button",
      {
        type: "button",
        class: "button small",
        "aria-pressed": "false",
        on: { click: () => this.outline(!this.outlined) },
      },
      "Outline chunks",
    );
    this.note = h("span", { class: "pane-note" });
    this.element = h(
      "div",
      {},
      h("div", { class: "pane-head" }, this.note, this.toggle),
      this.body,
    );
  }

  /** Loads and draws, and scrolls to what was asked for. Failures are shown in place. */
  async open() {
    try {
      this.text = await contentOf(this.documentId, this.version);
    } catch (problem) {
      fill(
        this.body,
        trouble(problem, () => this.open()),
      );
      return;
    }
    const { blocks } = this.text;
    const marks = this.marks();
    const from = marks.length ? blocksAround(this.text, marks[0].start, marks[0].end)[0] : 0;
    this.first = Math.max(0, from - WINDOW / 2);
    this.last = Math.min(blocks.length, this.first + WINDOW);
    this.draw();
    this.body.querySelector(".quote")?.scrollIntoView({ block: "center" });
  }

  async outline(on) {
    this.toggle.disabled = true;
    try {
      this.chunks ??= await this.loadChunks();
      this.outlined = on;
      this.toggle.setAttribute("aria-pressed", String(on));
      this.toggle.textContent = on ? "Hide chunks" : "Outline chunks";
      this.draw();
    } catch (problem) {
      this.body.prepend(trouble(problem));
    }
    this.toggle.disabled = false;
  }

  draw() {
    const { text, first, last } = this;
    const more = (label, change) =>
      h(
        "button",
        {
          type: "button",
          class: "button small more",
          on: {
            click: () => {
              change();
              this.draw();
            },
          },
        },
        label,
      );
    this.note.textContent = this.outlined
      ? `${this.chunks.length} chunks, as they are searched`
      : `Version ${this.version}, as it was read`;
    fill(
      this.body,
      first > 0 &&
        more("Earlier text", () => {
          this.first = Math.max(0, first - WINDOW);
        }),
      render(text, this.marks(), first, last),
      last < text.blocks.length &&
        more("Later text", () => {
          this.last = Math.min(text.blocks.length, last + WINDOW);
        }),
    );
  }

  marks() {
    const found = this.found ? [stretch(this.text, "quote", this.found.start, this.found.end)] : [];
    if (!this.outlined) return found;
    return [
      ...found,
      ...this.chunks.map((chunk) =>
        stretch(
          this.text,
          chunk.ordinal % 2 ? "even" : "odd",
          chunk.start,
          chunk.end,
          labelOf(chunk),
        ),
      ),
    ];
  }

  async loadChunks() {
    const all = [];
    let cursor = null;
    do {
      const params = { version: this.version, limit: CHUNK_PAGE, cursor };
      const page = await json("GET", `/v1/documents/${this.documentId}/chunks`, { params });
      all.push(...page.items);
      cursor = page.next;
    } while (cursor);
    return all;
  }
}

/** The section is left out where the chunk begins with it. */
function labelOf({ ordinal, page, section, text, start, end }) {
  const above = section.at(-1) ?? "";
  const said = text.startsWith(above) ? null : above;
  return [`${ordinal + 1}`, page && `p. ${page}`, said, `${end - start} characters`]
    .filter(Boolean)
    .join(" · ");
}
