/** The conversations kept in this browser, apart for each key that was used in it. */

import { owner } from "../session.js";

const PREFIX = "cairn.conversations.";
const SENT_TURNS = 6;
/** Earlier turns sent along: a follow-up leans on the last few, and a request stays small. */
const LONGEST = 20_000;
/** Characters of an earlier answer that the service takes. */
const FINISHED = new Set(["done", "stopped", "failed"]);

/** Tells `change` (the list) and `turn` (one turn moved on; `detail` is the turn). */
class Conversations extends EventTarget {
  items = [];

  /**
   * Loads what this key's owner kept. What was being answered when the page closed was
   * interrupted.
   */
  open() {
    this.items = JSON.parse(localStorage.getItem(PREFIX + owner()) ?? "[]");
    for (const turn of this.items.flatMap((conversation) => conversation.turns)) {
      if (!FINISHED.has(turn.state)) turn.state = "stopped";
    }
    addEventListener(
      "storage",
      (event) => event.key === PREFIX + owner() && this.merge(event.newValue),
    );
    this.dispatchEvent(new Event("change"));
  }

  /** Takes over what another tab wrote, so that keeping here does not undo it. */
  merge(written) {
    this.items = JSON.parse(written ?? "[]").map((theirs) => {
      const ours = this.get(theirs.id);
      if (ours) ours.title = theirs.title;
      return ours && ours.turns.length >= theirs.turns.length ? ours : theirs;
    });
    this.dispatchEvent(new Event("change"));
  }

  get(id) {
    return this.items.find((conversation) => conversation.id === id) ?? null;
  }

  begin(question) {
    const conversation = {
      id: crypto.randomUUID?.() ?? `${Date.now()}`,
      title: titled(question),
      turns: [],
    };
    this.items.unshift(conversation);
    return conversation;
  }

  addTurn(conversation, question) {
    const turn = {
      id: `${conversation.id}-${conversation.turns.length}`,
      question,
      state: "asking",
      text: "",
      sources: [],
      traceId: null,
      answer: null,
      problem: null,
      rating: null,
    };
    conversation.turns.push(turn);
    this.items = [conversation, ...this.items.filter((other) => other !== conversation)];
    this.keep();
    return turn;
  }

  rename(id, title) {
    this.get(id).title = title;
    this.keep();
  }

  remove(id) {
    this.items = this.items.filter((conversation) => conversation.id !== id);
    this.keep();
  }

  moved(turn) {
    this.dispatchEvent(new CustomEvent("turn", { detail: turn }));
    if (FINISHED.has(turn.state)) this.keep();
  }

  /** Writes everything; when the browser's space is used up, the oldest conversation goes. */
  keep() {
    while (this.items.length) {
      try {
        localStorage.setItem(PREFIX + owner(), JSON.stringify(this.items));
        break;
      } catch (error) {
        if (error.name !== "QuotaExceededError" || this.items.length === 1) break;
        this.items.pop();
      }
    }
    if (!this.items.length) localStorage.removeItem(PREFIX + owner());
    this.dispatchEvent(new Event("change"));
  }
}

export const conversations = new Conversations();

/** The turns before this one, as the API takes them. */
export function historyBefore(conversation, turn) {
  const earlier = conversation.turns
    .slice(0, conversation.turns.indexOf(turn))
    .filter((one) => one.state === "done")
    .slice(-SENT_TURNS);
  return earlier.flatMap((one) => [
    { role: "user", content: one.question },
    { role: "assistant", content: one.answer.answer.slice(0, LONGEST) },
  ]);
}

function titled(question) {
  const line = question.replace(/\s+/g, " ").trim();
  return line.length > 60 ? `${line.slice(0, 57).trimEnd()}…` : line;
}
