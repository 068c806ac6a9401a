/**
 * An answer's text on the page: citation chips in it, unsupported sentences marked, nothing as
 * HTML.
 */

import { h, icon } from "../dom.js";
import { unitsOf } from "../offsets.js";
import { placeOf, nameOf } from "../passage.js";
import { blocksOf, inlineOf } from "./markdown.js";

const LAST_WORD = /\S{0,24}$/;
/** Longer ones, such as addresses, may need a line's end more than a chip needs their company. */

/**
 * Keeps an element showing an answer while it grows. Only blocks that changed are made anew.
 *
 * `open(cited)` is called with `{source, citation}` when a chip is pressed.
 */
export class AnswerText {
  constructor(open) {
    this.open = open;
    this.element = h("div", { class: "answer-text" });
    this.shown = [];
  }

  /**
   * `answer` is null while the text still streams: then nothing is proven yet, and nothing marked.
   */
  update(text, sources, answer) {
    const reading = new Reading(text, sources, answer, this.open);
    const focused = this.chips().indexOf(document.activeElement);
    blocksOf(text).forEach((block, at) => this.place(at, block, reading));
    while (this.shown.length > reading.drawn) this.shown.pop().element.remove();
    if (focused >= 0) this.chips()[focused]?.focus();
  }

  place(at, block, reading) {
    const source = `${reading.final}|${reading.sources.length}|${reading.text.slice(block.start, block.end)}`;
    reading.drawn = at + 1;
    if (this.shown[at]?.source === source) return;
    const element = reading.draw(block);
    if (this.shown[at]) this.shown[at].element.replaceWith(element);
    else this.element.append(element);
    this.shown[at] = { source, element };
  }

  chips() {
    return [...this.element.querySelectorAll("button.cite")];
  }
}

/** One reading of the text, with what the service says about its sentences. */
class Reading {
  constructor(text, sources, answer, open) {
    const units = unitsOf(text);
    this.text = text;
    this.sources = sources;
    this.open = open;
    this.final = answer !== null;
    this.drawn = 0;
    this.citations = answer?.citations ?? [];
    this.sentences = (answer?.sentences ?? []).map((sentence) => ({
      ...sentence,
      start: units(sentence.start),
      end: units(sentence.end),
    }));
    this.flagged = new Set();
  }

  draw(block) {
    if (block.kind === "code") {
      return h("pre", { tabindex: "0" }, h("code", {}, this.text.slice(block.start, block.end)));
    }
    const items = block.items.map((item) =>
      this.inline(inlineOf(this.text, item.start, item.end), item.end),
    );
    if (block.kind === "heading") return h("h4", {}, items);
    if (block.kind === "paragraph") return h("p", {}, items);
    return h(
      block.kind === "numbers" ? "ol" : "ul",
      {},
      items.map((item) => h("li", {}, item)),
    );
  }

  inline(tokens, limit) {
    return tokens.map((token, at) => {
      const [before, after] = [tokens[at - 1]?.kind, tokens[at + 1]];
      if (token.kind === "text" && after?.kind === "cite")
        return this.together(token, after, limit);
      if (token.kind === "cite" && before === "text") return null;
      return DRAWN[token.kind](this, token, limit);
    });
  }

  /**
   * Text and the chip behind it. The chip stays on the line of its word: alone it proves nothing.
   */
  together(token, cite, limit) {
    const words = this.text.slice(token.start, token.end).trimEnd();
    const [last] = words.match(LAST_WORD);
    const end = token.start + words.length;
    return [
      this.words(token.start, end - last.length, limit),
      h("span", { class: "together" }, this.words(end - last.length, end, limit), this.chip(cite)),
    ];
  }

  /** Text cut at the ends of sentences; what no passage supports says so. */
  words(start, end, limit) {
    const ends = this.sentences
      .map((sentence) => sentence.end)
      .filter((cut) => cut > start && cut < end);
    const cuts = [start, ...ends, end];
    return cuts.slice(0, -1).map((from, at) => this.piece(from, cuts[at + 1], limit));
  }

  piece(start, end, limit) {
    const text = this.text.slice(start, end);
    const at = this.sentences.findIndex((one) => one.start < end && one.end > start);
    if (at < 0 || this.sentences[at].supported || !text.trim()) return text;
    const closes = end >= Math.min(this.sentences[at].end, limit) && !this.flagged.has(at);
    if (closes) this.flagged.add(at);
    return [h("span", { class: "unsupported" }, text), closes && ["\u00a0", flag()]];
  }

  chip(token) {
    const source = this.sources.find((one) => one.number === token.number);
    if (!source) return this.text.slice(token.start, token.end);
    const citation = this.citationAt(token);
    const label = [`Source ${token.number}: ${nameOf(source)}`, placeOf({ source, citation })]
      .filter(Boolean)
      .join(", ");
    return h(
      "button",
      {
        type: "button",
        class: "cite",
        "aria-label": label,
        title: citation ? `“${citation.quote}”` : label,
        on: { click: () => this.open({ source, citation }) },
      },
      token.number,
    );
  }

  /** The proven quote for this marker: of its own sentence, or else of the source. */
  citationAt(token) {
    const at = this.sentences.findIndex((one) => one.start <= token.start && one.end >= token.end);
    const same = this.citations.filter((one) => one.number === token.number);
    return same.find((one) => one.sentence === at) ?? same[0] ?? null;
  }
}

const DRAWN = {
  text: (reading, token, limit) => reading.words(token.start, token.end, limit),
  bold: (reading, token, limit) => h("strong", {}, reading.inline(token.inner, limit)),
  code: (reading, token) => h("code", {}, reading.text.slice(token.start + 1, token.end - 1)),
  cite: (reading, token) => reading.chip(token),
};

function flag() {
  return h(
    "span",
    { class: "flag", title: "No passage was found that supports this sentence." },
    icon("alert"),
    "not supported",
  );
}

/** The answer as plain text with its citations underneath, for pasting elsewhere. */
export function asPlainText(turn) {
  const { citations = [], answer } = turn.answer ?? {};
  const lines = citations.map(
    (one) =>
      `[${one.number}] ${[nameOf(one), placeOf({ source: one })].filter(Boolean).join(", ")}: “${one.quote}”`,
  );
  const notes = [...new Set(lines)];
  return [answer ?? turn.text, ...(notes.length ? ["", ...notes] : [])].join("\n");
}
