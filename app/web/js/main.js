/** The page starts here: who one is, the frame, then the view the address names. */

import { key, onKeyNeeded } from "./api.js";
import { chatView } from "./chat/view.js";
import { conversations } from "./chat/conversations.js";
import { promptKey } from "./dialog.js";
import { documentsView } from "./documents/view.js";
import { documentView } from "./documents/documentview.js";
import { fill, h } from "./dom.js";
import { closePassage } from "./passage.js";
import { follow } from "./router.js";
import { identify, me } from "./session.js";
import { moved, openShell } from "./shell.js";
import { traceView } from "./traces/traceview.js";
import { tracesView } from "./traces/view.js";
import { trouble } from "./trouble.js";

const VIEWS = {
  chat: chatView,
  documents: (main, route) => (route.id ? documentView : documentsView)(main, route),
  traces: (main, route) => (route.id ? traceView : tracesView)(main, route),
  missing: async (main) => {
    main.append(
      h(
        "div",
        { class: "view empty" },
        h("h1", {}, "There is no such page"),
        h("a", { class: "button", href: "#/chat" }, "Ask a question"),
      ),
    );
  },
};

let waiting = null;

async function start() {
  clearTimeout(waiting);
  const main = document.getElementById("main");
  try {
    await identify();
  } catch (problem) {
    fill(main, h("div", { class: "view" }, trouble(problem, start)));
    // While the service loads its models it says 503: the page opens as soon as it is ready.
    if (problem.status === 503) waiting = setTimeout(start, (problem.retryAfterS ?? 2) * 1000);
    return;
  }
  main.replaceChildren();
  conversations.open();
  openShell();
  await follow(VIEWS, main, (here) => {
    closePassage();
    moved(here);
  });
}

onKeyNeeded(async (refused) => {
  const given = await promptKey(refused);
  if (given) key.set(given);
  // Another key may be another person, with other rights and other conversations.
  if (given && me()) location.reload();
  return given !== null;
});

start();
