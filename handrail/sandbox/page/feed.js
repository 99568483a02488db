// The feed: asks the sandbox for its lists every second and keeps what it answered.

const LISTS = ["tickets", "mail", "sms", "calls", "push", "tasks", "alerts"];
const SHOWN = 200; // newest items of a list; older ones are fetched when a link asks for their key

export const feed = {
  lists: Object.fromEntries(LISTS.map((name) => [name, { items: [], total: 0, version: null }])),
  faults: [],
  modes: null, // what each mode of fault does, in words; asked for once
  older: new Map(), // "list key" → items fetched by key
  silentSince: null,
  loaded: false,
};

async function refreshList(name) {
  const list = feed.lists[name];
  const headers = list.version ? { "If-None-Match": list.version } : {};
  const answer = await fetch(`/${name}?latest=${SHOWN}`, { headers, cache: "no-store" });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  list.items = (await answer.json()).reverse();
  list.total = Number(answer.headers.get("X-Total-Count"));
  list.version = answer.headers.get("ETag");
  feed.older.clear();
}

async function refreshFaults() {
  if (feed.modes === null) {
    const told = await fetch("/faults/modes");
    if (!told.ok) throw new Error(`modes: ${told.status}`);
    feed.modes = await told.json();
  }
  const answer = await fetch("/faults", { cache: "no-store" });
  if (!answer.ok) throw new Error(`faults: ${answer.status}`);
  feed.faults = await answer.json();
}

export async function refresh() {
  try {
    await Promise.all([...LISTS.map(refreshList), refreshFaults()]);
    feed.silentSince = null;
    feed.loaded = true;
  } catch {
    feed.silentSince ??= new Date();
  }
}

// What a key in an address may mean: as written, or percent-encoded.
export function readings(wanted) {
  try {
    return [...new Set([wanted, decodeURIComponent(wanted)])];
  } catch {
    return [wanted];
  }
}

// Wanted items that are too old for the list, once they are here; asks for them the first time.
export function older(name, wanted, arrived) {
  const place = `${name} ${wanted}`;
  if (!feed.older.has(place)) {
    feed.older.set(place, []);
    Promise.all(readings(wanted).map((key) => byKey(name, key)))
      .then((found) => {
        feed.older.set(place, found.flat());
        if (found.flat().length) arrived();
      })
      .catch(() => feed.older.delete(place));
  }
  return feed.older.get(place);
}

async function byKey(name, key) {
  const answer = await fetch(`/${name}?key=${encodeURIComponent(key)}`, { cache: "no-store" });
  return answer.ok ? answer.json() : [];
}

// Sends a change. Resolves to null, or to what the sandbox had against it.
export async function send(method, path, body) {
  try {
    const answer = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return answer.ok ? null : (await answer.json()).error;
  } catch {
    return "the sandbox does not answer";
  }
}
