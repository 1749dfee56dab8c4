"""Drives a server with python-socketio and prints one JSON object with what it
saw. The server is the one of test/clients.
usage: conformance.py <url> <transports, comma separated>
"""
import json
import queue
import sys

import socketio
from engineio.payload import Payload

# The client takes 16 packets in one poll unless it is told otherwise; a server
# that is asked for 1000 events sends more, Node's too.
Payload.max_decode_packets = 2000

url, transports = sys.argv[1], sys.argv[2].split(",")
client = socketio.Client(reconnection=False)
inbox = queue.Queue()
numbers = []


@client.on("*")
def anything(event, *args):
    if event == "number":
        numbers.append(args[0])
        if len(numbers) == 1000:
            inbox.put("counted")
        return
    inbox.put(list(args))


@client.on("question")
def question(text):
    return text + "?", b"\x07"


@client.on("*", namespace="/custom")
def custom(event, *args):
    inbox.put([event, *args])


def heard():
    return inbox.get(timeout=10)


seen = {}
client.connect(url, transports=transports, auth={"token": "abc"}, namespaces=["/", "/custom"], wait_timeout=10)
first = [heard(), heard()]
seen["auth"] = next(x[0] for x in first if x[0] != "auth")
seen["transport"] = client.transport()
client.emit("message", (1, "2", {"3": [True]}, "€ 😀"))
seen["echo"] = heard()
client.emit("message", ({"deep": [{"data": b"\x01\x02\x03"}]}, b"\x04"))
deep, flat = heard()
seen["binary"] = [list(deep["deep"][0]["data"]), list(flat)]
seen["ack"] = list(client.call("message-with-ack", ("a", None), timeout=10))
client.emit("count", 1000)
heard()
seen["received"] = numbers == list(range(1000))
for i in range(1000):
    client.emit("keep", i)
seen["sent"] = client.call("kept", timeout=20)
client.emit("ask")
seen["asked"] = heard()
client.emit("message", "in custom", namespace="/custom")
seen["custom"] = heard()
client.on("disconnect", lambda reason: inbox.put(reason))
client.emit("kick me")
seen["kicked"] = heard()
print(json.dumps(seen))
