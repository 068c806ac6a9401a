/** One question and its answer on the page, from the first passage found to the feedback given. */

import { announce, notify } from "../announce.js";
import { fill, h, icon, iconButton } from "../dom.js";
import { count, duration } from "../format.js";
import { nameOf, openPassage, placeOf } from "../passage.js";
import { address } from "../router.js";
import { obstacle } from "../session.js";
import { trouble } from "../trouble.js";
import { AnswerText, asPlainText } from "./answertext.js";
import { feedback } from "./feedback.js";

const EXCERPT = 180;
const WAITING = { asking: "Searching the documents", writing: "Reading" };

/** `retry(question)` asks again. */
export class TurnView {
  constructor(turn, retry) {
    this.turn = turn;
    this.retry = retry;
    this.text = new AnswerText((cited) => openPassage(cited, this.steps()));
    this.status = h("p", { class: "status" });
    this.notice = h("div", { class: "turn-notice" });
    this.sources = h("div", { class: "sources" });
    this.foot = h("div", { class: "turn-foot" });
    this.answer = h(
      "div",
      { class: "answer" },
      this.notice,
      this.status,
      this.text.element,
      this.foot,
      this.sources,
    );
    this.element = h(
      "article",
      { class: "turn" },
      h(
        "h2",
        { class: "question" },
        h("span", { class: "visually-hidden" }, "You asked: "),
        turn.question,
      ),
      this.answer,
    );
    this.drawn = { sources: null, state: null };
    this.update();
  }

  update() {
    const { turn } = this;
    const answered = turn.state === "done" ? turn.answer : null;
    this.answer.dataset.state = answered?.refused ? "refused" : turn.state;
    this.answer.setAttribute("aria-busy", turn.state === "asking" || turn.state === "writing");
    this.text.update(turn.text, turn.sources, answered);
    this.showStatus();
    if (this.drawn.sources !== turn.sources || this.drawn.state !== turn.state) this.showSources();
    if (this.drawn.state !== turn.state) this.showOutcome();
    this.drawn = { sources: turn.sources, state: turn.state };
  }

  /** Where the text ends in the window, in pixels from its top. */
  textEnd() {
    return this.text.element.getBoundingClientRect().bottom;
  }

  showStatus() {
    const { state, text, sources } = this.turn;
    const waiting = state in WAITING && !text;
    this.status.hidden = !waiting;
    if (waiting)
      this.status.textContent =
        state === "asking"
          ? WAITING.asking
          : `${WAITING.writing} ${count(sources.length, "passage")}`;
  }

  showOutcome() {
    const { turn } = this;
    fill(
      this.notice,
      OUTCOMES[turn.state === "done" && turn.answer.refused ? "refused" : turn.state]?.(this),
    );
    fill(this.foot, turn.state === "done" && this.tools());
  }

  showSources() {
    const { turn } = this;
    if (!turn.sources.length) return fill(this.sources);
    const cited = new Set((turn.answer?.citations ?? []).map((one) => one.number));
    const split = turn.state === "done" && cited.size > 0;
    const first = split ? turn.sources.filter((one) => cited.has(one.number)) : turn.sources;
    const rest = split ? turn.sources.filter((one) => !cited.has(one.number)) : [];
    return fill(
      this.sources,
      h("h3", {}, this.heading(split)),
      this.cards(first),
      rest.length > 0 &&
        h(
          "details",
          {},
          h("summary", {}, `${count(rest.length, "more passage")} read, not cited`),
          this.cards(rest),
        ),
    );
  }

  heading(split) {
    if (this.turn.answer?.refused) return "Nearest passages";
    return split ? "Sources" : "Passages found";
  }

  cards(sources) {
    return h(
      "ol",
      { class: "cards" },
      sources.map((source) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: "card",
              on: { click: () => openPassage(this.cited(source), this.steps()) },
            },
            h(
              "span",
              { class: "cite still" },
              h("span", { class: "visually-hidden" }, "Source "),
              source.number,
            ),
            h(
              "span",
              { class: "card-text" },
              h("strong", {}, nameOf(source)),
              h("span", { class: "place" }, placeOf(this.cited(source)) || source.name),
              h("span", { class: "excerpt" }, excerptOf(this.cited(source))),
            ),
          ),
        ),
      ),
    );
  }

  cited(source) {
    return this.steps().find((step) => step.source === source) ?? { source, citation: null };
  }

  /**
   * The answer's citations in order, for going through them. Made once an answer, so they compare.
   */
  steps() {
    const { answer, sources } = this.turn;
    if (this.stepsFor !== answer) {
      this.stepsFor = answer;
      this.made = (answer?.citations ?? []).map((citation) => ({
        citation,
        source: sources.find((one) => one.number === citation.number),
      }));
    }
    return this.made ?? [];
  }

  tools() {
    const { turn } = this;
    const traced = turn.traceId && !obstacle("traces");
    return [
      feedback(turn),
      iconButton("copy", "Copy answer with citations", () => this.copy()),
      traced &&
        h(
          "a",
          {
            class: "icon-button",
            href: address("traces", turn.traceId),
            "aria-label": "Trace of this answer",
            title: "Trace of this answer",
          },
          icon("trace"),
        ),
      h(
        "span",
        { class: "took" },
        [turn.answer.model, duration(turn.answer.timings_ms?.total)].join(" · "),
      ),
    ];
  }

  async copy() {
    // Browsers lend the clipboard to pages on https and on this very machine only.
    if (!navigator.clipboard) {
      notify("Not copied: this needs the page to be on https.");
      return;
    }
    await navigator.clipboard.writeText(asPlainText(this.turn));
    notify("Copied, with its citations.");
  }

  again() {
    announce("Asking again.");
    this.retry(this.turn.question);
  }
}

/**
 * Whether it is worth saying what was looked for: a follow-up is searched in other words than its
 * own.
 */
function lookedElsewhere({ answer, question, text }) {
  const words = answer.refusal?.looked_for;
  return words && words !== question && !text.includes(words);
}

/** The quote where there is one; else how the passage begins, behind the heading shown above it. */
function excerptOf({ source, citation }) {
  const heading = source.section.at(-1) ?? "";
  const text = source.text.startsWith(heading) ? source.text.slice(heading.length) : source.text;
  return (citation?.quote ?? text).replace(/\s+/g, " ").trim().slice(0, EXCERPT);
}

const OUTCOMES = {
  refused: ({ turn }) => [
    h("p", { class: "refusal-title" }, icon("search"), "Not in the documents"),
    lookedElsewhere(turn) &&
      h("p", { class: "looked-for" }, `Looked for: ${turn.answer.refusal.looked_for}`),
  ],
  stopped: (view) =>
    h(
      "p",
      { class: "stopped" },
      "Stopped before the end, so nothing here was checked. ",
      h(
        "button",
        { type: "button", class: "link", on: { click: () => view.again() } },
        "Ask again",
      ),
    ),
  failed: (view) => trouble(view.turn.problem, () => view.again()),
};
