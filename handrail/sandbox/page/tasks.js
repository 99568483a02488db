// CRM tasks.

import { h, longTime, pill, shortTime } from "./dom.js";
import { byline, fact, folder, idMark, twinMark } from "./folder.js";
import { noteCount, notes } from "./notes.js";

export const tasks = folder({
  word: "task",
  list: "tasks",
  emptyTitle: "No CRM tasks yet",
  emptyText: "When something a customer has is about to end, the task for their agent appears here.",
  row: (task) => [
    h("span", { class: "line" }, pill(task.priority ?? "normal"), state(task), twinMark(task), h("span", { class: "when" }, shortTime(task.received_at))),
    h("strong", { class: "title" }, task.title),
    h("span", { class: "sub" }, task.assignee ?? "no assignee", task.due_at ? [" · due ", longTime(task.due_at)] : null,
      task.notes.length ? ` · ${noteCount(task)}` : null),
  ],
  detail: (task) => [
    h("div", { class: "line" }, pill(task.priority ?? "normal"), state(task), twinMark(task), idMark(task)),
    h("h2", {}, task.title),
    byline(task,
      fact("Assignee", task.assignee ?? "nobody"),
      task.due_at ? fact("Due", longTime(task.due_at)) : null,
      task.closed_reason ? fact("Closed because", task.closed_reason) : null),
    task.body ? h("p", { class: "prose" }, task.body) : null,
    notes(task),
  ],
});

function state(task) {
  return pill(task.status, task.status === "closed" ? "solved" : "open");
}
