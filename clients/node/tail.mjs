// Follows a ledger's live tail with the `eventsource` package: node tail.mjs URL LAST
//
// URL is a tail of everything, as in http://127.0.0.1:7420/api/v1/tail?since=0. Prints the index of each entry and
// ends after LAST. Ends with 1 when an entry does not continue the one before, with 2 when the log is another one,
// and with 3 when the server says that there is nothing to come back for. Where tokens are required, SWORN_TOKEN is
// sent: give it for https addresses and this machine alone.
import { EventSource } from "eventsource";

const [address, last] = [process.argv[2], Number(process.argv[3])];
const [PAUSE_MS, PAUSE_MAX_MS] = [1000, 30_000];
const authority = process.env.SWORN_TOKEN && { Authorization: `Bearer ${process.env.SWORN_TOKEN}` };
let source, chain, token, pause = PAUSE_MS;

function stop(code, why) {
  console.error(why);
  process.exit(code);
}

// An id moves the place to resume from, whatever the event says.
function move(event) {
  token = event.lastEventId || token;
  pause = PAUSE_MS;
}

function entry(event) {
  move(event);
  const entry = JSON.parse(event.data);
  if (chain !== undefined && entry.previous !== chain) stop(1, `#${entry.index} does not continue the chain`);
  chain = entry.chain;
  console.log(entry.index);
  if (entry.index >= last) process.exit(0);
}

// Reconnecting and the token are EventSource's own affair, except that it gives up for ever on an answer that is none.
function failed(event) {
  if (source.readyState === EventSource.CLOSED) {
    const { code } = event;
    // Too many requests are refused for a while, all else in 4xx for ever.
    if (code === 204 || (code >= 400 && code < 500 && code !== 429)) stop(3, event.message);
    setTimeout(connect, pause * (1 + Math.random() / 2));
    pause = Math.min(2 * pause, PAUSE_MAX_MS);
  }
  console.error("reconnecting", event.message ?? "");
}

// What the server is shown, and how long it asks to be left alone.
async function ask(url, options) {
  const answer = await fetch(url, { ...options, headers: { ...options.headers, ...authority } });
  pause = Math.max(pause, 1000 * Number(answer.headers.get("retry-after")) || 0);
  return answer;
}

function connect() {
  const url = new URL(address);
  if (token) url.searchParams.set("last_event_id", token);
  source = new EventSource(url, { fetch: ask });
  source.onerror = failed;
  source.onmessage = move;
  source.addEventListener("entry", entry);
  source.addEventListener("caught-up", move);
  source.addEventListener("reset", (event) => stop(2, event.data));
  source.addEventListener("bye", (event) => {
    if (["until", "expiry", "revoked"].includes(JSON.parse(event.data).reason)) stop(3, event.data);
  });
}

connect();
