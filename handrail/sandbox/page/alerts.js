// What colleagues on duty were called for.

import { h, pill, shortTime } from "./dom.js";
import { facts } from "./facts.js";
import { byline, fact, folder, idMark, twinMark } from "./folder.js";

const SEVERITY_KINDS = { critical: "critical", error: "urgent", warning: "high", info: "low" };

export const alerts = folder({
  word: "alert",
  list: "alerts",
  emptyTitle: "No alerts yet",
  emptyText: "When nobody has taken a case in time, or something needs a person, the call to the colleague on duty appears here.",
  row: (alert) => [
    h("span", { class: "line" }, severity(alert), twinMark(alert), h("span", { class: "when" }, shortTime(alert.received_at))),
    h("strong", { class: "title" }, alert.summary),
  ],
  detail: (alert) => [
    h("div", { class: "line" }, severity(alert), twinMark(alert), idMark(alert)),
    h("h2", {}, alert.summary),
    byline(alert, alert.link ? fact("Link", link(alert.link)) : null,
      ...Object.entries(alert.links ?? {}).map(([name, address]) => fact(name, link(address)))),
    Object.keys(alert.detail ?? {}).length ? facts(alert.detail) : null,
  ],
});

function severity(alert) {
  return pill(alert.severity, SEVERITY_KINDS[alert.severity] ?? "open");
}

// A link is followed only where it leads to a page.
function link(address) {
  return /^https?:/.test(address) ? h("a", { href: address, rel: "noreferrer", target: "_blank" }, address) : address;
}
