/** The list of kept conversations in the sidebar, with rename and delete. */

import { confirm, prompt } from "../dialog.js";
import { fill, h, icon, iconButton } from "../dom.js";
import { address, route } from "../router.js";
import { conversations } from "./conversations.js";

/** Draws the list, and again whenever a conversation or the address changes. */
export function showHistory(place) {
  const draw = () => {
    const here = route();
    const current = here.name === "chat" ? here.id : null;
    fill(
      place,
      h(
        "div",
        { class: "history-head" },
        h("h2", {}, "Conversations"),
        h(
          "a",
          { class: "icon-button", href: "#/chat", "aria-label": "New chat", title: "New chat" },
          icon("plus"),
        ),
      ),
      conversations.items.length
        ? h(
            "ul",
            {},
            conversations.items.map((one) => item(one, one.id === current)),
          )
        : h("p", { class: "none" }, "Kept in this browser only."),
    );
  };
  conversations.addEventListener("change", draw);
  addEventListener("hashchange", draw);
  draw();
}

function item(conversation, current) {
  return h(
    "li",
    { "data-current": current },
    h(
      "a",
      { href: address("chat", conversation.id), "aria-current": current && "page" },
      conversation.title,
    ),
    h(
      "span",
      { class: "tools" },
      iconButton("pencil", `Rename “${conversation.title}”`, () => rename(conversation)),
      iconButton("trash", `Delete “${conversation.title}”`, () => remove(conversation)),
    ),
  );
}

async function rename(conversation) {
  const title = await prompt({
    title: "Rename this conversation",
    label: "Name",
    value: conversation.title,
    action: "Rename",
  });
  if (title) conversations.rename(conversation.id, title);
}

async function remove(conversation) {
  const sure = await confirm({
    title: "Delete this conversation?",
    action: "Delete",
    text: `“${conversation.title}” is removed from this browser. Its traces stay with the service.`,
  });
  if (!sure) return;
  conversations.remove(conversation.id);
  if (route().id === conversation.id) location.hash = "#/chat";
}
