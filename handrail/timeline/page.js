"use strict";
// Finds customers among all that were simulated. Whatever they are called is set as text, never read as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const field = name => document.getElementById(name);
  const MOST = 25;

  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  // The customer's wall clock, which the minutes count as if it were UTC.
  const clock = new Intl.DateTimeFormat("en-GB", {weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC"});
  const at = minutes => clock.format(minutes * 60000).replace(/,/g, "");

  const told = (fate, channel) => {
    if (fate !== "sent") return data.fates[fate];
    return channel === "person" ? "task for a colleague" : `sent by ${data.channels[channel]}`;
  };

  const row = (minutes, step, words, fate, held) => {
    const item = make("li", undefined, fate);
    const what = make("span");
    if (step) what.append(make("b", step), " ");
    what.append(words);
    for (const reason of held || []) what.append(make("br"), make("small", `put off: ${reason}`));
    item.append(make("span", at(minutes), "when"), what);
    return item;
  };

  const card = ([ref, number, language, zone, ...minutes]) => {
    const [standing, reason, steps] = data.ways[number];
    const item = make("li", undefined, "card");
    const heading = make("h3", `${ref}: ${standing ? data.standings[standing] : "never entered"}`);
    if (reason) heading.append(" ", make("small", reason));
    item.append(heading, make("p", `${data.languages[language]} · ${data.zones[zone]}`, "small"));
    if (!minutes.length) return item;
    const line = make("ol", undefined, "line");
    let now = minutes[0];
    line.append(row(now, "", "entered"));
    steps.forEach(([step, fate, channel, why, held], place) => {
      now += minutes[place + 1];
      line.append(row(now, step, told(fate, channel) + (why ? `: ${why}` : ""), fate, held));
    });
    if (minutes.length > steps.length + 1) line.append(row(now + minutes[steps.length + 1], "", data.standings[standing]));
    item.append(line);
    return item;
  };

  const suits = ([standing, , steps]) => {
    const wanted = {standing: field("standing").value, step: field("step").value, fate: field("fate").value};
    if (wanted.standing && wanted.standing !== (standing || "none")) return false;
    if (!wanted.step && !wanted.fate) return true;
    return steps.some(([step, fate]) => (!wanted.step || step === wanted.step) && (!wanted.fate || fate === wanted.fate));
  };

  const search = () => {
    const ref = field("ref").value.trim().toLowerCase();
    const good = data.ways.map(suits);
    const found = data.customers.filter(one => good[one[1]] && one[0].toLowerCase().includes(ref));
    const asked = ref || ["step", "fate", "standing"].some(name => field(name).value);
    field("results").replaceChildren(...(asked ? found.slice(0, MOST).map(card) : []));
    field("found").textContent = !asked ? `${data.customers.length} customers are in this file.`
      : found.length > MOST ? `${found.length} found; the first ${MOST} are shown.` : `${found.length} found.`;
  };

  for (const name of ["ref", "step", "fate", "standing"]) field(name).addEventListener("input", search);
  document.querySelector(".filters").addEventListener("submit", event => event.preventDefault());
  field("search").hidden = false;
  search();
})();
