/**
 * The field a question is written in: Enter sends, Shift+Enter begins a line, and stop while it
 * answers.
 */

import { h, icon } from "../dom.js";

const LONGEST = 4000;

/** `send(question)` and `stop()` are called; `busy` says which of the two the button does. */
export class Composer {
  constructor(send, stop) {
    this.send = send;
    this.stop = stop;
    this.busy = false;
    this.input = h("textarea", {
      id: "question",
      rows: "1",
      maxlength: String(LONGEST),
      placeholder: "Ask your documents",
      "aria-describedby": "question-hint",
      on: { input: () => this.fit(), keydown: (event) => this.key(event) },
    });
    this.button = h("button", { class: "send" });
    this.element = h(
      "form",
      { class: "composer", on: { submit: (event) => this.submit(event) } },
      h("label", { class: "visually-hidden", for: "question" }, "Your question"),
      this.input,
      this.button,
      h(
        "p",
        { id: "question-hint", class: "visually-hidden" },
        "Enter sends. Shift and Enter begin a new line.",
      ),
    );
    this.set(false);
  }

  /** Whether an answer is under way. */
  set(busy) {
    this.busy = busy;
    const label = busy ? "Stop" : "Send";
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    this.button.classList.toggle("stop", busy);
    this.button.replaceChildren(icon(busy ? "stop" : "send"));
  }

  /** Ready for typing; not on a touch screen, where the keyboard would cover the answer. */
  focus() {
    if (matchMedia("(pointer: coarse)").matches) this.input.blur();
    else this.input.focus();
  }

  submit(event) {
    event.preventDefault();
    const question = this.input.value.trim();
    if (this.busy) {
      this.stop();
    } else if (question) {
      this.input.value = "";
      this.fit();
      this.send(question);
    }
  }

  key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    if (this.busy) event.preventDefault();
    else this.submit(event);
  }

  /** As tall as what is written, up to what the style sheet allows. */
  fit() {
    this.input.style.setProperty("height", "auto");
    this.input.style.setProperty("height", `${this.input.scrollHeight}px`);
  }
}
