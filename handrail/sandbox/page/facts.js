// Facts: any JSON a vendor was given (a ticket's context bundle) as labelled facts that a colleague can read.

import { h, label, languageName, longTime } from "./dom.js";

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/;
const THEIR_WORDS = new Set(["comment", "verbatim", "words", "said", "quote"]);
const TITLES = { said: "What they said", messages: "What they got from us" };
const SHORT_WORDS = new Set(["nps", "csat", "ces", "sms", "crm", "ltv"]);

export function facts(value) {
  return h("div", { class: "facts" }, Object.entries(value).map(([name, fact]) => section(name, fact)));
}

function section(name, fact) {
  if (isPlain(fact)) return h("dl", { class: "pairs" }, pair(name, fact));
  return h("section", {}, h("h4", {}, TITLES[name] ?? label(name)), compound(name, fact));
}

function compound(name, fact) {
  if (Array.isArray(fact)) {
    if (fact.length === 0) return h("p", { class: "none" }, "None");
    if (fact.every(isObject)) return fact.some(hasTheirWords) ? voices(fact) : table(fact);
    return h("ul", {}, fact.map((each) => h("li", {}, isPlain(each) ? plain(name, each) : compound(name, each))));
  }
  const entries = Object.entries(fact);
  if (entries.length === 0) return h("p", { class: "none" }, "None");
  const rank = ([inner, each]) => (isTheirWords(inner, each) ? 0 : isPlain(each) ? 1 : 2);
  entries.sort((one, other) => rank(one) - rank(other)); // their own words first
  return h("dl", { class: "pairs" }, entries.map(([inner, each]) => pair(inner, each)));
}

function pair(name, fact) {
  const wide = !isPlain(fact) || isTheirWords(name, fact);
  return h("div", { class: wide ? "pair wide" : "pair" },
    h("dt", {}, label(name)),
    h("dd", {}, isPlain(fact) ? plain(name, fact) : compound(name, fact)));
}

// Answers in the customer's own words: the words, and beneath them what else is known of each.
function voices(rows) {
  return h("ol", { class: "voices" }, rows.map((row) => {
    const entries = Object.entries(row).filter(([, each]) => each !== null && each !== "");
    const words = entries.filter(([name, each]) => isTheirWords(name, each));
    return h("li", {},
      words.map(([name, each]) => plain(name, each)),
      h("dl", { class: "inline" }, entries.filter((entry) => !words.includes(entry)).map(([name, each]) =>
        h("div", {}, h("dt", {}, label(name)), h("dd", {}, isPlain(each) ? plain(name, each) : compound(name, each))))));
  }));
}

function table(rows) {
  const columns = [...new Set(rows.flatMap(Object.keys))];
  return h("table", {},
    h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col" }, label(column))))),
    h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column) => h("td", { "data-label": label(column) },
      isPlain(row[column] ?? null) ? plain(column, row[column] ?? null) : compound(column, row[column])))))));
}

function plain(name, fact) {
  if (fact === null || fact === "") return h("span", { class: "none" }, "–");
  if (typeof fact === "boolean") return fact ? "yes" : "no";
  if (typeof fact === "number") return fact.toLocaleString("en-GB");
  if (INSTANT.test(fact)) return longTime(fact);
  if (isTheirWords(name, fact)) return h("blockquote", {}, fact);
  if (name === "language") return languageName(fact);
  return SHORT_WORDS.has(fact) ? fact.toUpperCase() : fact;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isPlain = (value) => typeof value !== "object" || value === null;
const hasTheirWords = (value) => Object.entries(value).some(([name, each]) => isTheirWords(name, each));
const isTheirWords = (name, fact) => THEIR_WORDS.has(name) && typeof fact === "string";
