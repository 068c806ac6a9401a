/** A question on its way: streams the answer into its turn, whichever view is open meanwhile. */

import { Problem, request } from "../api.js";
import { announce } from "../announce.js";
import { count } from "../format.js";
import { events } from "../sse.js";
import { conversations, historyBefore } from "./conversations.js";

const underway = new Map();

/** Asks, and moves the turn on as events arrive. Never raises: what fails stands in the turn. */
export async function ask(conversation, question) {
  const turn = conversations.addTurn(conversation, question);
  const stopper = new AbortController();
  underway.set(turn.id, stopper);
  announce("Searching the documents.");
  try {
    await receive(conversation, turn, stopper.signal);
  } catch (error) {
    if (error.name === "AbortError") turn.state = "stopped";
    else fail(turn, error);
  }
  underway.delete(turn.id);
  conversations.moved(turn);
  announce(outcome(turn));
}

/** Stops reading; the service sees the reader leave and stops its model. */
export function stop(turn) {
  underway.get(turn.id)?.abort();
}

async function receive(conversation, turn, signal) {
  const body = { question: turn.question, stream: true };
  const earlier = historyBefore(conversation, turn);
  if (earlier.length) body.conversation = earlier;
  const response = await request("POST", "/v1/ask", { body, signal, accept: "text/event-stream" });
  for await (const { event, data } of events(response.body)) {
    ON[event]?.(turn, data);
    conversations.moved(turn);
    if (turn.state === "done" || turn.state === "failed") return;
  }
  throw new Problem({
    title: "The answer broke off",
    detail: "The connection closed before the answer was complete.",
  });
}

const ON = {
  sources(turn, data) {
    Object.assign(turn, { state: "writing", traceId: data.trace_id, sources: data.sources });
    announce(`Reading ${count(data.sources.length, "passage")}.`);
  },
  delta(turn, data) {
    turn.text += data.text;
  },
  answer(turn, data) {
    const { sources, ...answer } = data;
    Object.assign(turn, {
      state: "done",
      traceId: data.trace_id,
      text: data.answer,
      sources,
      answer,
    });
  },
  error(turn, data) {
    fail(turn, new Problem(data));
  },
};

/** A turn is kept as JSON, so the problem becomes plain data. */
function fail(turn, error) {
  const known =
    error instanceof Problem
      ? error
      : new Problem({ title: "The answer could not be read", detail: error.message });
  turn.state = "failed";
  turn.problem = {
    title: known.title,
    message: known.message,
    advice: known.advice,
    fields: known.fields,
    requestId: known.requestId,
  };
}

function outcome(turn) {
  if (turn.state === "failed") return `No answer. ${turn.problem.message}`;
  if (turn.state === "stopped") return "Stopped.";
  if (turn.answer.refused) return `The documents do not answer this. ${turn.text}`;
  return `Answer ready, with ${count(turn.answer.citations.length, "citation")}. ${turn.text}`;
}
