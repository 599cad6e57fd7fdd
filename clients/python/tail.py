"""Follows a ledger's live tail with httpx-sse: python tail.py URL LAST

URL is a tail, as in http://127.0.0.1:7420/api/v1/tail?since=0. Prints the index of each entry and ends after
LAST. Ends with 1 when an entry does not continue the one before, and with 2 when the log is another one.
"""

import json
import sys
import time

import httpx
from httpx_sse import connect_sse

url, last = sys.argv[1], int(sys.argv[2])
token, retry_ms, chain = None, 1000, None


def take(event):
    """Checks that an unfiltered tail's entry continues the last one; whether there are more to come."""
    global chain
    entry = json.loads(event.data)
    if chain is not None and entry["previous"] != chain:
        sys.exit(1)
    chain = entry["chain"]
    print(entry["index"], flush=True)
    return entry["index"] < last


def read(client):
    """Reads one connection to its end."""
    global token, retry_ms
    headers = {} if token is None else {"Last-Event-ID": token}
    with connect_sse(client, "GET", url, headers=headers) as stream:
        for event in stream.iter_sse():
            # An event that came in full moves the place to resume from, whatever it says.
            token, retry_ms = event.id or token, event.retry or retry_ms
            if event.event == "reset":
                print(event.data, file=sys.stderr)
                sys.exit(2)
            if event.event == "entry" and not take(event):
                sys.exit(0)


# Heartbeats come every 15 seconds: whoever hears nothing for longer has lost the connection.
with httpx.Client(timeout=35, trust_env=False) as client:
    while True:
        try:
            read(client)
        except httpx.TransportError as error:
            print(f"reconnecting: {error}", file=sys.stderr)
        time.sleep(retry_ms / 1000)
