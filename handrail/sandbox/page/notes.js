// What was added to a ticket or a task.

import { h, pill, shortTime } from "./dom.js";

export function noteCount(item) {
  if (item.notes.length === 0) return null;
  return item.notes.length === 1 ? "1 note" : `${item.notes.length} notes`;
}

export function notes(item) {
  if (item.notes.length === 0) return null;
  return [h("h3", {}, "Notes"), h("ol", { class: "notes" }, item.notes.map((note) => h("li", {},
    h("div", { class: "line" }, note.priority ? pill(note.priority) : null, h("span", { class: "when" }, shortTime(note.at))),
    h("p", { class: "prose" }, note.text))))];
}
