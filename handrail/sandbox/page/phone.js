// The phone: text messages as conversations, calls as what the voice says.

import { count, exactTime, h, languageName, show, shortTime } from "./dom.js";
import { feed, older } from "./feed.js";
import { findItem, twinMark, withTwins } from "./folder.js";

export function phone(place, wanted, redraw, word) {
  if (place.dataset.folder !== "phone") {
    place.dataset.folder = "phone";
    place.replaceChildren(h("div", { class: "phone" },
      h("section", { "aria-labelledby": "sms-title" }), h("section", { "aria-labelledby": "calls-title" })));
  }
  const [texts, calls] = place.firstElementChild.children;
  column(texts, "sms", "sms", word === "sms" ? wanted : null, redraw, (items) => [
    h("h2", { id: "sms-title" }, "Text messages"),
    items.length ? threads(items).map(thread) : empty("No text messages yet", "Answers and reminders sent by SMS appear here as bubbles."),
  ]);
  column(calls, "call", "calls", word === "call" ? wanted : null, redraw, (items) => [
    h("h2", { id: "calls-title" }, "Calls"),
    items.length ? items.map(call) : empty("No calls yet", "Calls by the voicebot appear here with what it says."),
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

function call(item) {
  return h("div", { class: "call", id: `call-${item.id}` },
    h("h3", {}, h("span", {}, item.to), h("span", { class: "muted" }, item.customer_ref)),
    h("p", { class: "prose script", lang: item.language }, item.script), meta(item));
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
