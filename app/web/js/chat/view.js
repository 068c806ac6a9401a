/** The chat: a conversation's turns, and the field for the next question. */

import { fill, h } from "../dom.js";
import { closePassage } from "../passage.js";
import { address } from "../router.js";
import { ask, stop } from "./asking.js";
import { Composer } from "./composer.js";
import { conversations } from "./conversations.js";
import { TurnView } from "./turnview.js";
import { welcome } from "./welcome.js";

const DOCK_PX = 130;
/**
 * What the field covers at the foot of the window. Text that grows behind it is brought up again.
 */

export async function chatView(main, route) {
  const view = new ChatView(route.id ? conversations.get(route.id) : null);
  if (route.id && !view.conversation) history.replaceState(null, "", address("chat"));
  main.append(view.element);
  view.open();
  return () => view.close();
}

class ChatView {
  constructor(conversation) {
    this.conversation = conversation;
    this.views = new Map();
    this.stream = h("div", { class: "stream" });
    this.composer = new Composer(
      (question) => this.ask(question),
      () => this.stop(),
    );
    this.element = h(
      "section",
      { class: "chat", "aria-label": "Chat" },
      this.stream,
      h("div", { class: "dock" }, this.composer.element),
    );
    this.onTurn = (event) => this.moved(event.detail);
  }

  open() {
    conversations.addEventListener("turn", this.onTurn);
    this.show();
    this.composer.focus();
    scrollTo(0, this.conversation ? document.documentElement.scrollHeight : 0);
  }

  close() {
    conversations.removeEventListener("turn", this.onTurn);
    closePassage();
  }

  show() {
    const turns = this.conversation?.turns ?? [];
    this.views.clear();
    fill(
      this.stream,
      turns.length
        ? [
            h("h1", { class: "visually-hidden", tabindex: "-1" }, this.conversation.title),
            turns.map((turn) => this.add(turn)),
          ]
        : welcome((question) => this.ask(question)),
    );
    this.composer.set(turns.some(underway));
  }

  add(turn) {
    const view = new TurnView(turn, (question) => this.ask(question));
    this.views.set(turn.id, view);
    return view.element;
  }

  ask(question) {
    if (!this.conversation) {
      this.conversation = conversations.begin(question);
      history.replaceState(null, "", address("chat", this.conversation.id));
      this.stream.replaceChildren();
    }
    ask(this.conversation, question);
    const turn = this.conversation.turns.at(-1);
    this.stream.append(this.add(turn));
    this.composer.set(true);
    this.composer.focus();
    this.views.get(turn.id).element.scrollIntoView({ block: "start" });
  }

  stop() {
    this.conversation.turns.filter(underway).forEach(stop);
  }

  moved(turn) {
    const view = this.views.get(turn.id);
    if (!view) return;
    const following = view.textEnd() < innerHeight;
    view.update();
    this.composer.set(this.conversation.turns.some(underway));
    const hidden = view.textEnd() - (innerHeight - DOCK_PX);
    if (following && turn.state === "writing" && hidden > 0) scrollBy(0, hidden);
  }
}

function underway(turn) {
  return turn.state === "asking" || turn.state === "writing";
}
