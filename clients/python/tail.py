"""Follows a ledger's live tail with httpx-sse: python tail.py URL LAST

URL is a tail of everything, as in http://127.0.0.1:7420/api/v1/tail?since=0. Prints the index of each entry and ends
after LAST. Ends with 1 when an entry does not continue the one before, with 2 when the log is another one, and with 3
when the server says that there is nothing to come back for. Where tokens are required, SWORN_TOKEN is sent: give it
for https addresses and this machine alone.
"""

import json
import os
import ssl
import sys
import time

import httpx
from httpx_sse import connect_sse

PAUSE_MAX_MS = 30_000

url, last = sys.argv[1], int(sys.argv[2])
token, retry_ms, pause_ms, chain = None, 1000, 1000, None
authority = {"Authorization": f"Bearer {os.environ['SWORN_TOKEN']}"} if os.environ.get("SWORN_TOKEN") else {}


def stop(code, why):
    print(why, file=sys.stderr)
    sys.exit(code)


def take(event):
    """Checks that an unfiltered tail's entry continues the last one; whether there are more to come."""
    global chain
    entry = json.loads(event.data)
    if chain is not None and entry["previous"] != chain:
        stop(1, f"#{entry['index']} does not continue the chain")
    chain = entry["chain"]
    print(entry["index"], flush=True)
    return entry["index"] < last


def read(client):
    """Reads one connection to its end."""
    global token, retry_ms, pause_ms
    headers = {} if token is None else {"Last-Event-ID": token}
    with connect_sse(client, "GET", url, headers=headers) as stream:
        status, after = stream.response.status_code, stream.response.headers.get("Retry-After", "")
        if after.isdecimal():
            pause_ms = max(pause_ms, 1000 * int(after))
        # Too many requests are refused for a while, all else in 4xx for ever.
        if status == 204 or 400 <= status < 500 and status != 429:
            stop(3, f"the server answers {status}")
        stream.response.raise_for_status()
        for event in stream.iter_sse():
            # An event that came in full moves the place to resume from, whatever it says.
            token, retry_ms = event.id or token, event.retry or retry_ms
            pause_ms = retry_ms
            if event.event == "reset":
                stop(2, event.data)
            if event.event == "bye" and json.loads(event.data)["reason"] in ("until", "expiry", "revoked"):
                stop(3, event.data)
            if event.event == "entry" and not take(event):
                sys.exit(0)


# Heartbeats come every 15 seconds: whoever hears nothing for longer has lost the connection. Authorities are the
# system's, or those of the file that SSL_CERT_FILE names.
trusted = ssl.create_default_context()
with httpx.Client(headers=authority, verify=trusted, timeout=35, trust_env=False) as client:
    while True:
        try:
            read(client)
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            print(f"reconnecting: {error}", file=sys.stderr)
        time.sleep(min(pause_ms, PAUSE_MAX_MS) / 1000)
        # Longer each time in vain.
        pause_ms = min(2 * pause_ms, PAUSE_MAX_MS)
