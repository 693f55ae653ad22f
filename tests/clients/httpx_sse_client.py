"""Subscribes with httpx-sse and prints each event that the library gives out as a line of JSON."""

import json
import sys

import httpx
from httpx_sse import connect_sse

with httpx.Client(timeout=httpx.Timeout(10, read=60)) as client:
    with connect_sse(client, "GET", sys.argv[1]) as source:
        source.response.raise_for_status()
        for event in source.iter_sse():
            print(json.dumps({"type": event.event, "data": event.data, "id": event.id, "retry": event.retry}), flush=True)
print(json.dumps({"end": True}), flush=True)
