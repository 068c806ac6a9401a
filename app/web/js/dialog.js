/** Dialogs that ask one thing and answer with a promise. Escape always means no. */

import { h } from "./dom.js";

/** Asks before something that cannot be undone. Answers true or false. */
export async function confirm({ title, text, action }) {
  return (await open(title, action, "danger", h("p", {}, text))) !== null;
}

/** Asks for a line of text. Answers it, or null. */
export async function prompt({ title, label, value = "", action }) {
  const input = h("input", {
    class: "input",
    value,
    required: true,
    maxlength: "120",
    autofocus: true,
  });
  const given = await open(title, action, "primary", h("label", { class: "field" }, label, input));
  return given === null ? null : input.value.trim() || null;
}

/** Asks for an API key. `refused`: the last one was not accepted. Answers it, or null. */
export async function promptKey(refused) {
  const input = h("input", {
    class: "input",
    type: "password",
    required: true,
    autofocus: true,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "cairn_…",
  });
  const given = await open(
    "This service asks for a key",
    "Continue",
    "primary",
    refused && h("p", { class: "refused", role: "alert" }, "That key was not accepted."),
    h(
      "p",
      {},
      "Your key says who you are and what you may read. It is kept until you close this tab.",
    ),
    h("label", { class: "field" }, "API key", input),
  );
  return given === null ? null : input.value.trim() || null;
}

/** Shows what was done, until it is closed. */
export async function report(title, ...content) {
  await open(title, null, "", ...content);
}

function open(title, action, look, ...content) {
  return new Promise((resolve) => {
    let answer = null;
    const submit = (event) => {
      event.preventDefault();
      answer = action;
      dialog.close();
    };
    const dialog = h(
      "dialog",
      { "aria-labelledby": "dialog-title" },
      h(
        "form",
        { on: { submit } },
        h("h2", { id: "dialog-title" }, title),
        content,
        h(
          "div",
          { class: "actions" },
          h(
            "button",
            {
              type: "button",
              class: "button",
              autofocus: look !== "primary",
              on: { click: () => dialog.close() },
            },
            action ? "Cancel" : "Close",
          ),
          action && h("button", { class: `button ${look}` }, action),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
