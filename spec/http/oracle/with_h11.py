# What h11 makes of messages; in and out as spec/http/oracle/llhttp.c says.
import sys

import h11


def shown(text):
    return text.decode("latin-1")


def field_lines(mark, headers):
    return ["%s%s: %s" % (mark, shown(name), shown(value)) for name, value in headers.raw_items()]


def first_line(event):
    version = shown(event.http_version)
    if isinstance(event, h11.Request):
        return "%s %s %s" % (shown(event.method), shown(event.target), version)
    return "%03d %s" % (event.status_code, version)


def connection(kind):
    if kind == "R":
        return h11.Connection(h11.SERVER)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    return client


# None: more must come.
def look_at(kind, data):
    conn = connection(kind)
    conn.receive_data(data)
    lines, body, closed = [], b"", False
    while True:
        event = conn.next_event()
        if event is h11.NEED_DATA and kind == "S" and lines and not closed:
            conn.receive_data(b"")
            closed = True
        elif event is h11.NEED_DATA:
            return None
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            lines += field_lines("+", event.headers)
            end = len(data) - len(conn.trailing_data[0])
            return lines + ["=" + body.hex(), "@%d" % end]
        elif isinstance(event, h11.InformationalResponse):
            lines = [first_line(event)] + field_lines(":", event.headers)
            return lines + ["=", "@%d" % (len(data) - len(conn.trailing_data[0]))]
        elif isinstance(event, (h11.Request, h11.Response)):
            lines = [first_line(event)] + field_lines(":", event.headers)
        else:
            return None


def answer(kind, data):
    try:
        lines = look_at(kind, data)
    except h11.RemoteProtocolError as error:
        return "no " + str(error).replace("\n", " ")
    return "more" if lines is None else "\n".join(["ok"] + lines)


def main():
    source, target = sys.stdin.buffer, sys.stdout.buffer
    for line in iter(source.readline, b""):
        kind, size = shown(line).split()
        target.write((answer(kind, source.read(int(size))) + "\n.\n").encode("latin-1", "replace"))


main()
