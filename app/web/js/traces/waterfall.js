/** A trace's steps under one another, as long as they took, nested as they called each other. */

import { h } from "../dom.js";
import { duration } from "../format.js";

const LEAST_SHARE = 0.4;
/** Per cent: a step of a few microseconds is still something to press. */

/**
 * The observations, parents before children, each with its `depth`. One without its parent is a
 * root.
 */
export function nested(observations) {
  const known = new Set(observations.map((one) => one.id));
  const children = new Map();
  for (const one of observations) {
    const parent = known.has(one.parent_id) ? one.parent_id : null;
    children.set(parent, [...(children.get(parent) ?? []), one]);
  }
  const walk = (parent, depth) =>
    (children.get(parent) ?? []).flatMap((one) => [{ ...one, depth }, ...walk(one.id, depth + 1)]);
  return walk(null, 0);
}

/**
 * Rows to choose a step by. The arrow keys walk them; `choose(step)` is called with the one
 * chosen.
 */
export function waterfall(steps, totalMs, choose) {
  const end = Math.max(
    totalMs ?? 0,
    ...steps.map((step) => step.start_ms + (step.duration_ms ?? 0)),
    0.001,
  );
  const rows = steps.map((step) => row(step, end));
  const select = (at, focus) => {
    rows.forEach((one, other) => {
      one.setAttribute("aria-selected", String(other === at));
      one.tabIndex = other === at ? 0 : -1;
    });
    if (focus) rows[at].focus();
    choose(steps[at]);
  };
  rows.forEach((one, at) => one.addEventListener("click", () => select(at, false)));
  const move = (event) => {
    const to = MOVES[event.key]?.(rows.indexOf(document.activeElement), rows.length - 1);
    if (to === undefined) return;
    event.preventDefault();
    select(to, true);
  };
  return h(
    "div",
    { class: "waterfall" },
    h(
      "div",
      { class: "axis number", "aria-hidden": "true" },
      [0, 0.25, 0.5, 0.75, 1].map((share) => h("span", {}, share ? duration(end * share) : "0")),
    ),
    h("div", { role: "listbox", "aria-label": "Steps", on: { keydown: move } }, rows),
  );
}

const MOVES = {
  ArrowDown: (at, last) => Math.min(at + 1, last),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (at, last) => last,
};

function row(step, end) {
  const width = Math.max((100 * (step.duration_ms ?? 0)) / end, LEAST_SHARE);
  const left = Math.min((100 * step.start_ms) / end, 100 - width);
  return h(
    "div",
    {
      role: "option",
      class: "step",
      tabindex: "-1",
      data: { step: step.id, type: step.type, level: step.level ?? "" },
    },
    h(
      "span",
      { class: "step-name", style: { "--depth": String(step.depth) } },
      h("i", { class: "dot" }),
      step.name,
      h("span", { class: "visually-hidden" }, `, ${step.type}, `),
    ),
    h(
      "span",
      { class: "step-track" },
      h(
        "span",
        { class: "span-bar", style: { left: `${left}%`, width: `${width}%` } },
        step.first_token_ms &&
          h("span", {
            class: "first-token",
            title: `First text after ${duration(step.first_token_ms)}`,
            style: { left: `${(100 * step.first_token_ms) / Math.max(step.duration_ms, 0.001)}%` },
          }),
      ),
    ),
    h("span", { class: "step-time number" }, duration(step.duration_ms)),
  );
}
