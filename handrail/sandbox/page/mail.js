// The mailbox.

import { h, shortTime } from "./dom.js";
import { byline, fact, folder, idMark, twinMark } from "./folder.js";

let asText = false;

export const mail = folder({
  word: "mail",
  list: "mail",
  emptyTitle: "No mail yet",
  emptyText: "Acknowledgements and journey messages appear here as the customer would read them.",
  row: (letter) => [
    h("span", { class: "line" }, h("span", { class: "to" }, letter.to), twinMark(letter), h("span", { class: "when" }, shortTime(letter.received_at))),
    h("strong", { class: "title", lang: letter.language }, letter.subject),
    h("span", { class: "sub clip", lang: letter.language }, (letter.text ?? "").slice(0, 160)),
  ],
  detail: (letter) => [
    h("div", { class: "line" }, h("span", { class: "to" }, "to ", letter.to), twinMark(letter), idMark(letter)),
    h("h2", { lang: letter.language }, letter.subject),
    byline(letter),
    reader(letter),
    headers(letter),
  ],
});

function reader(letter) {
  const pane = h("div", { class: "letter" });
  const choices = [["Mail", false], ["Plain text", true]].map(([name, text]) =>
    h("button", { type: "button", "data-focus": name, onclick: () => choose(text) }, name));
  const choose = (text) => {
    asText = text;
    choices.forEach((button, index) => button.setAttribute("aria-pressed", String(text === Boolean(index))));
    pane.replaceChildren(text || !letter.html
      ? h("pre", { class: "plain", lang: letter.language }, letter.text ?? "")
      : frame(letter));
  };
  choose(asText);
  return [h("div", { class: "switch", role: "group", "aria-label": "Show as" }, choices), pane];
}

// Scripts, forms and outside resources stay off: the frame is sandboxed and inherits the page's policy.
function frame(letter) {
  const element = h("iframe", { sandbox: "allow-same-origin allow-popups", title: `Mail: ${letter.subject}`, lang: letter.language });
  const fit = () => {
    const inside = element.contentDocument?.documentElement;
    if (!inside) return;
    element.style.height = "0";
    element.style.height = `${Math.max(inside.scrollHeight, 160)}px`;
  };
  element.addEventListener("load", () => {
    fit();
    new ResizeObserver(fit).observe(element.parentElement);
  });
  element.srcdoc = `<base target="_blank">${letter.html}`;
  return element;
}

function headers(letter) {
  const entries = Object.entries(letter.headers ?? {});
  if (entries.length === 0) return null;
  return h("details", { class: "technical" }, h("summary", {}, "Headers"),
    h("dl", { class: "byline" }, entries.map(([name, value]) => fact(name, h("code", {}, value)))));
}
