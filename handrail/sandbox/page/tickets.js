// The ticket desk.

import { h, pill, shortTime } from "./dom.js";
import { facts } from "./facts.js";
import { send } from "./feed.js";
import { byline, fact, folder, idMark, twinMark } from "./folder.js";
import { noteCount, notes } from "./notes.js";

const STATUS_KINDS = { open: "open", pending: "pending", solved: "solved" };

export const tickets = folder({
  word: "ticket",
  list: "tickets",
  emptyTitle: "No tickets yet",
  emptyText: "When a customer gives a critical answer, its ticket appears here with everything a colleague needs to know.",
  row: (ticket) => [
    h("span", { class: "line" }, pill(ticket.priority), statusPill(ticket), twinMark(ticket), h("span", { class: "when" }, shortTime(ticket.received_at))),
    h("strong", { class: "title", lang: ticket.language }, ticket.subject),
    h("span", { class: "sub" }, [customerName(ticket), ticket.team, ticket.assignee ?? "no owner", noteCount(ticket)].filter(Boolean).join(" · ")),
  ],
  detail: (ticket, redraw) => [
    h("div", { class: "line" }, pill(ticket.priority), statusPill(ticket), twinMark(ticket), idMark(ticket)),
    h("h2", { lang: ticket.language }, ticket.subject),
    actions(ticket, redraw),
    byline(ticket, fact("Team", ticket.team)),
    ticket.body ? h("p", { class: "prose" }, ticket.body) : null,
    notes(ticket),
    isFilled(ticket.context) ? [h("h3", {}, "What to know"), facts(ticket.context)] : null,
  ],
});

const isFilled = (context) => context && typeof context === "object" && Object.keys(context).length > 0;

function customerName(ticket) {
  const name = ticket.context?.customer?.name;
  return typeof name === "string" && name ? name : ticket.customer_ref;
}

function statusPill(ticket) {
  return pill(ticket.status, STATUS_KINDS[ticket.status] ?? "pending");
}

function actions(ticket, redraw) {
  const problem = h("span", { class: "problem", role: "alert" });
  const change = async (changes) => {
    problem.textContent = (await send("POST", "/tickets/status", { key: ticket.key, ...changes })) ?? "";
    redraw();
  };
  const owner = h("input", {
    name: "owner", value: ticket.assignee ?? "", placeholder: "nobody yet", autocomplete: "off", "aria-label": "Owner", "data-focus": "owner",
  });
  const give = (event) => {
    event.preventDefault();
    change({ assignee: owner.value.trim() || null });
  };
  return h("div", { class: "actions" },
    ticket.status === "solved"
      ? h("button", { type: "button", "data-focus": "status", onclick: () => change({ status: "open" }) }, "Open again")
      : h("button", { type: "button", class: "primary", "data-focus": "status", onclick: () => change({ status: "solved" }) }, "Solve"),
    h("button", { type: "button", "data-focus": "answer", onclick: () => change({ answered: true }) }, ticket.answered_at ? `Answered ${shortTime(ticket.answered_at)}` : "Answer"),
    h("form", { class: "owner", onsubmit: give }, h("label", {}, "Owner ", owner), h("button", {}, "Set")),
    problem);
}
