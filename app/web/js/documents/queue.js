/** The queue as a whole, in one line with a bar; below it what failed, and the way to try it again. */

import { fill, h } from "../dom.js";
import { count, remaining, whole } from "../format.js";
import { obstacle } from "../session.js";
import { retryAll } from "./actions.js";

export class QueueLine {
  /** `changed` is called when documents were sent back. */
  constructor(changed) {
    this.changed = changed;
    this.most = 0;
    this.work = h("div", { class: "queue-work", hidden: true });
    this.failed = h("div", { class: "queue-failed", hidden: true });
    this.element = h("div", { class: "queue" }, this.work, this.failed);
  }

  update(queue) {
    const face = JSON.stringify(queue);
    if (face === this.face) return;
    this.face = face;
    this.drawWork(queue);
    this.drawFailed(queue);
  }

  /** The bar counts from the most that was ever left while the view was open. */
  drawWork(queue) {
    const left = queue.waiting + queue.running;
    this.most = left ? Math.max(this.most, left) : 0;
    this.work.hidden = left === 0;
    fill(
      this.work,
      h("span", { class: "queue-facts" }, facts(queue)),
      h("progress", {
        class: "bar",
        max: String(this.most || 1),
        value: String(this.most - left),
        "aria-label": "All documents",
      }),
    );
  }

  drawFailed({ failed, failures }) {
    this.failed.hidden = failed === 0;
    const kinds = Object.entries(failures).map(([kind, number]) => `${whole(number)} ${words(kind)}`);
    fill(
      this.failed,
      h("span", {}, `${whole(failed)} failed: ${kinds.join(", ")}`),
      !obstacle("upload") &&
        h(
          "button",
          {
            type: "button",
            class: "button small",
            on: { click: async () => (await retryAll()) && this.changed() },
          },
          "Retry all",
        ),
    );
  }
}

function facts(queue) {
  const said = [
    `${whole(queue.waiting)} waiting`,
    `${whole(queue.running)} in work`,
    queue.per_minute >= 1 && `${count(Math.round(queue.per_minute), "document")} a minute`,
    remaining(queue.eta_s),
    !queue.queue_answers && "the queue does not answer: work goes on when it is back",
  ];
  return said.filter(Boolean).join(" · ");
}

function words(kind) {
  return kind.replaceAll("-", " ");
}
