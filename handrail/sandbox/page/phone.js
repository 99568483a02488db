// The phone: text messages as conversations, calls as what the voice says, notifications as a locked screen shows them.

import { count, exactTime, h, languageName, show, shortTime } from "./dom.js";
import { feed, older, send } from "./feed.js";
import { findItem, twinMark, withTwins } from "./folder.js";

export function phone(place, wanted, redraw, word) {
  if (place.dataset.folder !== "phone") {
    place.dataset.folder = "phone";
    place.replaceChildren(h("div", { class: "phone" },
      h("section", { "aria-labelledby": "sms-title" }), h("section", { "aria-labelledby": "calls-title" }),
      h("section", { "aria-labelledby": "push-title" })));
  }
  const [texts, calls, pushed] = place.firstElementChild.children;
  column(texts, "sms", "sms", word === "sms" ? wanted : null, redraw, (items) => [
    h("h2", { id: "sms-title" }, "Text messages"),
    items.length ? threads(items).map(thread) : empty("No text messages yet", "Answers and reminders sent by SMS appear here as bubbles."),
  ]);
  column(calls, "call", "calls", word === "call" ? wanted : null, redraw, (items) => [
    h("h2", { id: "calls-title" }, "Calls"),
    items.length ? items.map((item) => call(item, redraw)) : empty("No calls yet", "Calls by the voicebot appear here with what it says."),
  ]);
  column(pushed, "push", "push", word === "push" ? wanted : null, redraw, (items) => [
    h("h2", { id: "push-title" }, "Notifications"),
    items.length ? items.map(notification) : empty("No notifications yet", "What is pushed to a device appears here."),
  ]);
}

function column(place, word, list, wanted, redraw, make) {
  const { items: raw, total } = feed.lists[list];
  let items = withTwins(raw);
  let target = wanted && findItem(items, wanted);
  if (wanted && !target && total > items.length) {
    [target] = older(list, wanted, redraw);
    if (target) items = [...items, target];
  }
  const more = total > raw.length ? h("p", { class: "more" }, `The newest ${raw.length} of ${count(total, "item")}.`) : null;
  const signature = JSON.stringify([items.map((item) => [item.id, item.updated_at]), total, wanted, Boolean(target)]);
  if (place.dataset.signature === signature) return;
  show(place, signature, () => [make(items), more].flat(3).filter(Boolean));
  if (!wanted) return;
  if (!target) {
    place.prepend(h("p", { class: "more" }, "Nothing has arrived under this key yet: ", h("code", {}, wanted)));
    return;
  }
  const element = place.querySelector(`#${CSS.escape(`${word}-${target.id}`)}`);
  element?.classList.add("target");
  element?.scrollIntoView({ block: "center" });
}

function threads(items) {
  const byNumber = new Map();
  for (const item of items) byNumber.set(item.to, [item, ...(byNumber.get(item.to) ?? [])]);
  return [...byNumber];
}

function thread([number, items]) {
  return h("div", { class: "thread" },
    h("h3", {}, h("span", {}, number), h("span", { class: "muted" }, items.at(-1).customer_ref)),
    items.map((item) => h("div", { class: "bubble", id: `sms-${item.id}` },
      h("p", { class: "prose", lang: item.language }, item.text), meta(item))));
}

const OUTCOMES = {
  no_answer: "Nobody answers",
  busy: "Busy",
  voicemail: "A machine answers",
  answered_done: "Heard, nothing to do",
  answered_wants_person: "Wants a person",
  answered_declined: "Wants no such calls",
  failed: "Breaks down",
  unknown: "Nobody can tell",
};

function call(item, redraw) {
  return h("div", { class: "call", id: `call-${item.id}` },
    h("h3", {}, h("span", {}, item.to), h("span", { class: "muted" }, item.customer_ref)),
    h("p", { class: "prose script", lang: item.language }, item.script), item.outcome ? ended(item) : end(item, redraw), meta(item));
}

function ended(item) {
  return h("p", { class: "muted" }, OUTCOMES[item.outcome] ?? item.outcome, " · ", shortTime(item.ended_at),
    item.said ? [" · ", h("q", { lang: item.language }, item.said)] : null);
}

function end(item, redraw) {
  const problem = h("span", { class: "problem", role: "alert" });
  const outcome = h("select", { name: "outcome", "aria-label": "How it ends", "data-focus": `outcome-${item.id}` },
    Object.entries(OUTCOMES).map(([word, label]) => h("option", { value: word }, label)));
  const said = h("input", { name: "said", placeholder: "what they say", autocomplete: "off", "aria-label": "What they say", "data-focus": `said-${item.id}` });
  const hangUp = async (event) => {
    event.preventDefault();
    const body = { key: item.key, outcome: outcome.value, said: said.value.trim() || null };
    problem.textContent = (await send("POST", "/calls/end", body)) ?? "";
    redraw();
  };
  return h("form", { class: "actions", onsubmit: hangUp }, outcome, said,
    h("button", { class: "primary", "data-focus": `end-${item.id}` }, "End the call"), problem);
}

function notification(item) {
  const opens = /^https?:/.test(item.link ?? "");
  return h("div", { class: "notification", id: `push-${item.id}` },
    h("h3", {}, h("span", { lang: item.language }, item.title), h("span", { class: "muted" }, item.customer_ref)),
    h("p", { class: "prose", lang: item.language }, item.text),
    opens ? h("p", {}, h("a", { href: item.link, rel: "noreferrer", target: "_blank" }, "What it opens")) : null,
    h("p", { class: "muted device" }, item.to), meta(item));
}

function meta(item) {
  return h("details", { class: "meta" },
    h("summary", {}, shortTime(item.received_at), twinMark(item)),
    h("p", {}, [item.language && languageName(item.language), item.template].filter(Boolean).join(" · ")),
    h("p", {}, exactTime(item.received_at), " · ", item.id),
    h("code", {}, item.key));
}

function empty(title, text) {
  return h("div", { class: "empty" }, h("h3", {}, title), h("p", {}, text));
}
