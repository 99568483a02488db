// Elements and words. Everything a customer wrote goes through h() as text; nothing here parses HTML.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const MINUTE = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
});
const LANGUAGES = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

// A short time for lists: the clock today, the day before that. Its title says the instant in UTC.
export function shortTime(iso) {
  const instant = new Date(iso);
  const today = instant.toDateString() === new Date().toDateString();
  return h("time", { datetime: iso, title: iso }, today ? CLOCK.format(instant) : DAY.format(instant));
}

export function longTime(iso) {
  return h("time", { datetime: iso, title: iso }, MINUTE.format(new Date(iso)));
}

export function exactTime(iso) {
  const instant = new Date(iso);
  const milliseconds = String(instant.getMilliseconds()).padStart(3, "0");
  return h("time", { datetime: iso, title: iso }, `${DAY.format(instant)}, ${CLOCK.format(instant)}.${milliseconds}`);
}

export function languageName(code) {
  try {
    return LANGUAGES.of(code);
  } catch {
    return code;
  }
}

export function pill(word, kind = word) {
  return h("span", { class: "pill", "data-kind": kind }, word);
}

// "answer_by" → "Answer by"
export function label(name) {
  const words = String(name).replaceAll(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en-GB")} ${number === 1 ? one : many}`;
}

// Puts children into a place, but only when what they show has changed: no flicker, and focus stays.
export function show(place, signature, make) {
  if (place.dataset.signature === signature) return;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  place.dataset.signature = signature;
  place.replaceChildren(...[make()].flat());
  if (focused) place.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}
