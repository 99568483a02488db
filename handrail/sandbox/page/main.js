// The page: which view the address asks for, the tabs, the banner, and the second hand.

import { alerts } from "./alerts.js";
import { h, show } from "./dom.js";
import { clearFaults, faultWords, faults } from "./faults.js";
import { feed, refresh } from "./feed.js";
import { mail } from "./mail.js";
import { phone } from "./phone.js";
import { tasks } from "./tasks.js";
import { tickets } from "./tickets.js";

const EVERY = 1000; // ms
const VIEWS = {
  tickets: { title: "Tickets", draw: tickets, counts: ["tickets"], words: ["ticket"] },
  mail: { title: "Mail", draw: mail, counts: ["mail"], words: ["mail"] },
  phone: { title: "Phone", draw: phone, counts: ["sms", "calls", "push"], words: ["sms", "call", "push"] },
  tasks: { title: "Tasks", draw: tasks, counts: ["tasks"], words: ["task"] },
  alerts: { title: "Alerts", draw: alerts, counts: ["alerts"], words: ["alert"] },
  faults: { title: "Faults", draw: faults, counts: [], words: [] },
};
const place = (id) => document.getElementById(id);

// `#mail` is a view, `#mail=<key>` an item.
function route() {
  const [word, ...rest] = location.hash.slice(1).split("=");
  const name = Object.keys(VIEWS).find((view) => view === word || VIEWS[view].words.includes(word)) ?? "tickets";
  return { name, word, wanted: rest.join("=") || null };
}

function draw() {
  const { name, word, wanted } = route();
  drawTabs(name);
  drawBanner();
  drawLive();
  if (!feed.loaded) return;
  document.title = `${VIEWS[name].title} · Sandbox`;
  VIEWS[name].draw(place("main"), wanted, redraw, word);
}

function drawTabs(current) {
  const counts = Object.values(VIEWS).map((view) => view.counts.reduce((sum, list) => sum + feed.lists[list].total, 0));
  counts[counts.length - 1] = feed.faults.length;
  show(place("tabs"), JSON.stringify([current, counts]), () => Object.entries(VIEWS).map(([name, { title }], index) =>
    h("a", { href: `#${name}`, "data-focus": name, "aria-current": name === current ? "page" : null },
      title, counts[index] ? h("span", { class: "count", "data-kind": name }, counts[index].toLocaleString("en-GB")) : null)));
}

function drawBanner() {
  show(place("banner"), JSON.stringify(feed.faults), () => feed.faults.length === 0 ? [] : h("p", { class: "banner" },
    h("a", { href: "#faults" }, feed.faults.slice(0, 2).map((fault, index) =>
      [index ? "; " : "", h("b", {}, fault.capability), `: ${faultWords(fault)}`]), feed.faults.length > 2 ? "; …" : ""),
    h("button", { type: "button", onclick: () => clearFaults(redraw) }, "Clear")));
}

function drawLive() {
  const silent = feed.silentSince;
  place("live").dataset.state = silent ? "silent" : "live";
  show(place("live"), String(silent ?? feed.loaded), () =>
    silent ? `No answer since ${silent.toLocaleTimeString("en-GB")}` : feed.loaded ? "Live" : "Connecting");
}

async function redraw() {
  await refresh();
  draw();
}

async function everySecond() {
  if (!document.hidden) await redraw();
  setTimeout(everySecond, EVERY);
}

addEventListener("hashchange", () => {
  draw();
  if (matchMedia("(max-width: 760px)").matches) scrollTo(0, 0);
});
document.addEventListener("visibilitychange", () => document.hidden || redraw());
everySecond();
