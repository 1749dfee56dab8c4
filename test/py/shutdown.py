"""Connects and subscribes to a region, says what it sees, and prints one JSON
object when it is back after the server has stopped and hears of its region
again.
usage: shutdown.py <url> <transports, comma separated>
"""
import json
import os
import sys
import time

import socketio

url, transports = sys.argv[1], sys.argv[2].split(",")
client = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.2)
lost = None
heard = False


@client.event
def connect():
    if lost is None:
        print("connected", flush=True)
    client.emit("metrics:subscribe", {"source": "us-east"})


@client.on("metrics-update")
def update(payload):
    global heard
    if lost is not None:
        print(json.dumps({"lost": lost, "back": True, "update": payload["data"]}), flush=True)
        os._exit(0)
    if not heard:
        heard = True
        print("heard", flush=True)


@client.event
def disconnect(reason):
    global lost
    if lost is None:
        print("lost", flush=True)
    lost = reason


client.connect(url, transports=transports, wait_timeout=10)
time.sleep(60)
os._exit(1)
