// Faults: what will go wrong next, and how to make it.

import { count, h, show } from "./dom.js";
import { feed, send } from "./feed.js";

const CAPABILITIES = ["ticketing", "crm", "mail", "sms", "voice", "push", "alert"];
const MANY = { write: "writes", search: "searches", batch: "batches" }; // what a mode may wait for

export function faultWords(fault) {
  const mode = feed.modes[fault.mode];
  return `next ${count(fault.count, mode.meets, MANY[mode.meets])} ${mode.short.replace("{time}", `${fault.seconds} s`)}`;
}

export function faults(place, _wanted, redraw) {
  if (place.dataset.folder !== "faults") {
    place.dataset.folder = "faults";
    place.replaceChildren(h("div", { class: "faults" }, form(redraw), h("section", { class: "card" }), fresh(redraw)));
  }
  show(place.firstElementChild.children[1], JSON.stringify(feed.faults), () => pending(redraw));
}

function form(redraw) {
  const explanation = h("p", { class: "muted", id: "mode-words" });
  const problem = h("p", { class: "problem", role: "alert" });
  const capability = h("select", { name: "capability" }, CAPABILITIES.map((name) => h("option", {}, name)));
  const mode = h("select", { name: "mode", "aria-describedby": "mode-words", onchange: () => explain() },
    Object.keys(feed.modes).map((name) => h("option", {}, name)));
  const writes = h("input", { name: "count", type: "number", min: 1, max: 1000000, value: 3, required: true });
  const seconds = h("input", { name: "seconds", type: "number", min: 0, max: 3600, step: "any", value: 1, required: true });
  const wait = h("label", {}, "Seconds", seconds);
  const which = h("span", {});
  const explain = () => {
    const { long, meets, timed } = feed.modes[mode.value];
    explanation.textContent = long;
    which.textContent = `Next ${MANY[meets]}`;
    wait.hidden = !timed;
  };
  explain();
  const submit = async (event) => {
    event.preventDefault();
    problem.textContent = (await send("POST", "/faults", {
      capability: capability.value, mode: mode.value, count: Number(writes.value), seconds: Number(seconds.value),
    })) ?? "";
    redraw();
  };
  return h("form", { class: "card", onsubmit: submit },
    h("h2", {}, "Make something go wrong"),
    h("label", {}, "Which system", capability),
    h("label", {}, "What happens", mode), explanation,
    h("div", { class: "two" }, h("label", {}, which, writes), wait),
    h("button", { class: "primary" }, "Inject"), problem);
}

function pending(redraw) {
  if (feed.faults.length === 0) return [
    h("h2", {}, "Waiting to happen"),
    h("p", { class: "muted" }, "Nothing: every write is answered as it should be. Faults you inject wait here until a write meets them."),
  ];
  return [
    h("h2", {}, "Waiting to happen"),
    h("ol", { class: "pending" }, feed.faults.map((fault) => h("li", {}, h("b", {}, fault.capability), ": ", faultWords(fault)))),
    h("button", { type: "button", onclick: () => clearFaults(redraw) }, "Clear all"),
  ];
}

export async function clearFaults(redraw) {
  await send("DELETE", "/faults");
  redraw();
}

function fresh(redraw) {
  const empty = async () => {
    if (!confirm("Empty the sandbox? Every ticket, mail, message, call, task and alert goes from these pages; the record on disk keeps them.")) return;
    await send("POST", "/reset");
    redraw();
  };
  return h("section", { class: "card" },
    h("h2", {}, "For machines"),
    h("p", { class: "muted" }, "The complete lists as JSON: ",
      ["tickets", "tasks", "mail", "sms", "calls", "push", "alerts", "faults", "faults/met"].map((name, index) => [index ? ", " : "", h("a", { href: `/${name}` }, `/${name}`)]), "."),
    h("h2", {}, "Start afresh"),
    h("p", { class: "muted" }, "Forgets every item and fault. The record on disk keeps its past."),
    h("button", { type: "button", class: "danger", onclick: empty }, "Empty the sandbox"));
}
