"""Paho for Python as a program: does what its one argument says (JSON), and writes what happens, a line of JSON each."""

import json
import signal
import sys

import paho.mqtt.client as mqtt


def say(**event):
    print(json.dumps(event), flush=True)


def main():
    task = json.loads(sys.argv[1])
    client = mqtt.Client(
        client_id=task["clientId"], clean_session=task["clean"], transport=task["transport"]
    )
    client.username_pw_set(task["username"], task["password"])
    if task.get("ca") is not None:
        client.tls_set(ca_certs=task["ca"])
    if task.get("will") is not None:
        will = task["will"]
        client.will_set(will["topic"], will["payload"], will["qos"], will["retain"])

    def on_connect(_client, _data, _flags, code):
        say(event="connected", code=code)
        if task.get("subscribe") is not None:
            client.subscribe(task["subscribe"]["filter"], task["subscribe"]["qos"])
        elif task.get("publish") is not None:
            message = task["publish"]
            client.publish(message["topic"], message["payload"], message["qos"], message["retain"])

    def on_message(_client, _data, message):
        say(
            event="message",
            topic=message.topic,
            payload=message.payload.decode(),
            qos=message.qos,
            retain=bool(message.retain),
        )

    def on_publish(_client, _data, _identifier):
        client.disconnect()

    client.on_connect = on_connect
    client.on_message = on_message
    client.on_publish = on_publish
    signal.signal(signal.SIGTERM, lambda _signal, _frame: client.disconnect())
    client.connect(task["host"], task["port"], keepalive=60)
    client.loop_forever(retry_first_connection=False)


main()
