// A folder: a list beside the item chosen from it. On a phone, one of the two.

import { count, exactTime, h, languageName, show } from "./dom.js";
import { feed, older, readings } from "./feed.js";

// The address of an item within the page: by its key, or by its id when the key came more than once.
export function address(word, item) {
  return `#${word}=${encodeURIComponent(item.twin ? item.id : item.key)}`;
}

export function withTwins(items) {
  const seen = new Map();
  for (const item of items) seen.set(item.key, (seen.get(item.key) ?? 0) + 1);
  return items.map((item) => (seen.get(item.key) > 1 ? { ...item, twin: seen.get(item.key) } : item));
}

// The item that an address asks for. Keys contain `/` and `%2F`, and not everybody who links here encodes them.
export function findItem(items, wanted) {
  const keys = readings(wanted);
  return items.find((item) => keys.includes(item.key) || item.id === wanted);
}

export function twinMark(item) {
  return item.twin ? h("span", { class: "pill", "data-kind": "twin", title: "Received more than once under one key" },
    `same key ×${item.twin}`) : null;
}

export function idMark(item) {
  return h("code", { class: "when" }, item.id);
}

export function folder({ word, list, row, detail, emptyTitle, emptyText }) {
  let stays = null; // what is shown while nobody has chosen

  return function render(place, wanted, redraw) {
    if (place.dataset.folder !== list) {
      place.dataset.folder = list;
      place.replaceChildren(
        h("div", { class: "folder" }, h("div", { class: "list", onkeydown: moveByArrow }), h("article", { class: "detail" })));
    }
    const { items: raw, total } = feed.lists[list];
    const items = withTwins(raw);
    const panes = place.firstElementChild;
    const [rows, pane] = panes.children;
    if (items.length === 0 && !wanted) {
      panes.dataset.state = "empty";
      show(rows, "empty", () => h("div", { class: "empty" }, h("h2", {}, emptyTitle), h("p", {}, emptyText)));
      pane.replaceChildren();
      return;
    }
    stays = stays && findItem(items, stays) ? stays : items[0]?.id;
    const chosen = wanted
      ? findItem(items, wanted) ?? (total > items.length ? older(list, wanted, redraw)[0] : undefined)
      : findItem(items, stays);
    panes.dataset.state = wanted ? "chosen" : "browsing";
    show(rows, JSON.stringify([items.map((item) => [item.id, item.updated_at]), total, chosen?.id]), () => [
      ...items.map((item) => h("a", {
        class: "row", href: address(word, item), "data-focus": item.id, "aria-current": item.id === chosen?.id ? "true" : null,
      }, row(item))),
      total > items.length ? h("p", { class: "more" }, `The newest ${items.length} of ${count(total, "item")}.`) : null,
    ].filter(Boolean));
    const [content, beside] = paneParts(pane);
    show(content, chosen ? JSON.stringify(chosen) : `absent ${wanted}`, () => [
      h("a", { class: "back", href: `#${list}` }, "‹ Back to the list"),
      chosen ? detail(chosen, redraw) : absent(wanted),
    ].flat(Infinity).filter(Boolean));
    const others = chosen ? related(chosen) : [];
    show(beside, JSON.stringify([chosen, others.map((other) => other.item.id)]), () =>
      (chosen ? [relatedNote(chosen, others), technicalNote(chosen)].filter(Boolean) : []));
  };
}

// What is beside the item changes more often than the item; a letter being read is not drawn anew for that.
function paneParts(pane) {
  if (pane.childElementCount !== 2) pane.replaceChildren(h("div"), h("div"));
  return pane.children;
}

function absent(wanted) {
  return h("div", { class: "empty" }, h("h2", {}, "Not here yet"),
    h("p", {}, "Nothing has arrived under this key. The page keeps looking."), h("code", {}, wanted));
}

function moveByArrow(event) {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const next = step && event.target.closest(".row")?.[step];
  if (!next?.matches(".row")) return;
  event.preventDefault();
  next.focus();
  next.click();
}

const WORDS = { tickets: "ticket", mail: "mail", sms: "sms", calls: "call", push: "push", tasks: "task", alerts: "alert" };
const NAMES = { ticket: "Ticket", mail: "Mail", sms: "SMS", call: "Call", push: "Notification", task: "CRM task", alert: "Alert" };

// What else this customer caused, in order of arrival; an alert is about no customer.
function related(item) {
  if (!item.customer_ref) return [];
  return Object.entries(feed.lists)
    .flatMap(([list, { items }]) => withTwins(items).map((other) => ({ word: WORDS[list], item: other })))
    .filter((other) => other.item.customer_ref === item.customer_ref && other.item.id !== item.id)
    .sort((one, other) => (one.item.received_at < other.item.received_at ? -1 : 1))
    .slice(-8);
}

function relatedNote(item, others) {
  if (others.length === 0) return null;
  return h("section", { class: "related" },
    h("h3", {}, "The same customer"),
    h("ul", {}, others.map(({ word, item: other }) => h("li", {},
      h("a", { href: address(word, other) },
        h("b", {}, NAMES[word]), " ", other.subject ?? other.title ?? other.text ?? other.script ?? other.key),
      h("span", { class: "muted" }, apart(item, other))))));
}

function apart(item, other) {
  const milliseconds = new Date(other.received_at) - new Date(item.received_at);
  const size = Math.abs(milliseconds);
  const words = size < 1000 ? `${size} ms` : size < 90e3 ? `${(size / 1000).toFixed(1)} s`
    : size < 5400e3 ? `${Math.round(size / 60e3)} min` : size < 172800e3 ? `${Math.round(size / 3600e3)} h`
    : `${Math.round(size / 86400e3)} days`;
  return milliseconds < 0 ? `${words} earlier` : `${words} later`;
}

function technicalNote(item) {
  const { twin, ...received } = item;
  return h("details", { class: "technical" },
    h("summary", {}, "As received"),
    h("pre", {}, JSON.stringify(received, null, 2)));
}

// The line under a title: when, for whom, in which language, from which template.
export function byline(item, ...more) {
  return h("dl", { class: "byline" },
    fact("Received", exactTime(item.received_at)),
    item.updated_at ? fact("Changed", exactTime(item.updated_at)) : null,
    item.customer_ref ? fact("Customer", item.customer_ref) : null,
    more,
    item.language ? fact("Language", languageName(item.language)) : null,
    item.template ? fact("Template", item.template) : null,
    fact("Key", h("code", {}, item.key)));
}

export function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}
