/** What people think of an answer: up or down at once, and why, if they like to say. */

import { json } from "../api.js";
import { notify } from "../announce.js";
import { fill, h, iconButton } from "../dom.js";
import { conversations } from "./conversations.js";

const REASONS = [
  ["wrong", "It is wrong"],
  ["wrong_citation", "A source does not say this"],
  ["incomplete", "Something is missing"],
  ["not_found", "The documents do say more"],
  ["unclear", "It is unclear"],
];

/** Two thumbs, and a form that opens under the answer. */
export function feedback(turn) {
  const form = h("div", { class: "feedback-form" });
  const thumb = (rating, name, label) =>
    iconButton(name, label, () => choose(rating), {
      "aria-pressed": String(turn.rating === rating),
    });
  const thumbs = [thumb("up", "thumbUp", "Good answer"), thumb("down", "thumbDown", "Bad answer")];
  const choose = async (rating) => {
    if (!(await send(turn, { rating }))) return;
    turn.rating = rating;
    conversations.moved(turn);
    thumbs.forEach((one, at) =>
      one.setAttribute("aria-pressed", String((at === 0) === (rating === "up"))),
    );
    fill(
      form,
      details(turn, () => form.replaceChildren()),
    );
    form.querySelector("textarea").focus();
  };
  return [thumbs, form];
}

function details(turn, close) {
  const comment = h("textarea", {
    class: "input",
    rows: "2",
    maxlength: "2000",
    placeholder: turn.rating === "up" ? "What was good about it?" : "What should it have said?",
  });
  const boxes =
    turn.rating === "down"
      ? REASONS.map(([value, label]) =>
          h("label", { class: "check" }, h("input", { type: "checkbox", value }), label),
        )
      : [];
  const submit = async (event) => {
    event.preventDefault();
    const reasons = boxes
      .map((box) => box.firstChild)
      .filter((box) => box.checked)
      .map((box) => box.value);
    const more = { rating: turn.rating, comment: comment.value.trim(), reasons };
    if (!(await send(turn, more))) return;
    close();
    notify("Thank you. The comment is with the answer's trace.");
  };
  return h(
    "form",
    { on: { submit, keydown: (event) => event.key === "Escape" && close() } },
    boxes.length > 0 &&
      h("div", { class: "reasons", role: "group", "aria-label": "What is wrong" }, boxes),
    h("label", {}, h("span", { class: "visually-hidden" }, "Comment"), comment),
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", class: "button small", on: { click: close } }, "Close"),
      h("button", { class: "button small primary" }, "Send"),
    ),
  );
}

async function send(turn, body) {
  try {
    await json("POST", "/v1/feedback", { body: { trace_id: turn.traceId, ...body } });
    return true;
  } catch (problem) {
    notify(`Not sent. ${problem.message}`);
    return false;
  }
}
