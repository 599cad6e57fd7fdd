// Follows a ledger's live tail with the `eventsource` package: node tail.mjs URL LAST
//
// URL is a tail, as in http://127.0.0.1:7420/api/v1/tail?since=0. Prints the index of each entry and ends
// after LAST. Ends with 1 when an entry does not continue the one before, and with 2 when the log is
// another one. In a browser the same works without the import.
import { EventSource } from "eventsource";

const [url, last] = [process.argv[2], Number(process.argv[3])];
let chain;

const source = new EventSource(url);
// Reconnecting and the token are EventSource's own affair.
source.onerror = (event) => console.error("reconnecting", event.message ?? "");
source.addEventListener("entry", (event) => {
  const entry = JSON.parse(event.data);
  if (chain !== undefined && entry.previous !== chain) process.exit(1);
  chain = entry.chain;
  console.log(entry.index);
  if (entry.index >= last) process.exit(0);
});
source.addEventListener("reset", (event) => {
  console.error(event.data);
  process.exit(2);
});
