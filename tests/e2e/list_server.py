#!/usr/bin/env python3
"""A web server that hands out lists and fails in every way, for tests of downloads.

    list_server.py FOLDER

listens on 127.0.0.1 and writes FOLDER/ports.json ({"http": …, "https": …, "dns": …}) once it does; the
certificate for lists.test that clients have to trust is FOLDER/ca.pem. The name server there knows lists.test
only. Ends when its standard input is closed.
"""
import gzip
import http.server
import io
import json
import pathlib
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import tarfile
import threading
import time

LIST = b"# Licence: test\n" + b"".join(b"name%d.list.test\n" % i for i in range(1000))
PAGE = b"<!DOCTYPE html>\n<html><body>Please sign on to the wireless network.</body></html>\n"


def ut1():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in (("global_usage", b"# https://squidguard.ut-capitole.fr\n"),
                           ("gambling/domains", b"bet.test\n"), ("gambling/urls", b"x.test/bet\n"),
                           ("agressif/domains", b"angry.test\n")):
            info = tarfile.TarInfo("blacklists/" + name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return data.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counts = {}  # how often each path was asked for
    content = {}  # path -> bytes, put there by POST
    becomes = {}  # path -> the path whose behaviour it has, put there by POST to PATH:become

    def log_message(self, *args):
        pass

    def send(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if not {"Content_Length", "Transfer_Encoding"} & set(headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, target, status=302):
        self.send(b"<html>moved</html>", status, Location=target)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path, _, change = self.path.partition(":")
        if change == "become":
            self.becomes[path] = body.decode()
        else:
            self.content[path] = body
            self.becomes.pop(path, None)
        self.send(b"")

    def do_GET(self):
        Handler.counts[self.path] = Handler.counts.get(self.path, 0) + 1
        try:
            name = self.becomes.get(self.path, self.path).strip("/").replace("-", "_").split(".")[0]
            getattr(self, "get_" + name, self.get_posted)()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def get_posted(self):
        if self.path in self.content:
            tag = '"%x"' % (hash(self.content[self.path]) & 0xffffffff)
            if self.headers["If-None-Match"] == tag:
                return self.send(b"", 304, ETag=tag)
            return self.send(self.content[self.path], ETag=tag)
        return self.get_nothing()

    def get_nothing(self):
        self.send(b"no such list\n", 404)

    def get_good(self):
        if self.headers["If-None-Match"] == '"v1"':
            return self.send(b"", 304, ETag='"v1"')
        return self.send(LIST, ETag='"v1"')

    def get_dated(self):
        date = "Mon, 23 Nov 2026 10:00:00 GMT"
        if self.headers["If-Modified-Since"] == date:
            return self.send(b"", 304)
        return self.send(LIST, Last_Modified=date)

    def get_plain(self):
        self.send(LIST)

    def get_packed(self):
        self.send(gzip.compress(LIST), Content_Encoding="gzip")

    def get_ut1(self):
        self.send(ut1(), Content_Type="application/gzip")

    def get_count(self):
        self.send(json.dumps(self.counts).encode())

    def get_broken(self):
        self.send(b"oh dear", 500)

    def get_teapot(self):
        self.send(LIST, 203)

    def get_unasked(self):
        self.send(b"", 304)

    def get_empty(self):
        self.send(b"")

    def get_page(self):
        self.send(PAGE, Content_Type="text/plain")

    def get_cut(self):
        self.send(LIST[:5000], Content_Length=str(len(LIST)))
        self.close_connection = True

    def get_cut_chunked(self):
        self.send(b"800\r\n" + LIST[:0x800] + b"\r\n", Transfer_Encoding="chunked")
        self.close_connection = True

    def get_hang_up(self):
        self.close_connection = True

    def get_stall(self):
        self.send(LIST[:100], Content_Length=str(len(LIST)))
        self.wfile.flush()
        time.sleep(20)

    def get_trickle(self):
        self.send(b"", Content_Length=str(len(LIST)))
        for octet in LIST:
            self.wfile.write(bytes([octet]))
            self.wfile.flush()
            time.sleep(0.05)

    def get_loop(self):
        self.redirect("/loop")

    def get_ring(self):
        number = int(self.path.rpartition(".")[2] or 0)
        self.redirect("/good" if number >= 3 else f"/ring.{number + 1}")

    def get_downgrade(self):
        self.redirect(f"http://lists.test:{self.server.http_port}/good")

    def get_elsewhere(self):
        self.redirect("file:///etc/hostname")

    def get_large(self):
        self.send(b"", Content_Length=str(1 << 40))

    def get_endless(self):
        self.send(b"", Transfer_Encoding="chunked")
        chunk = b"10000\r\n" + (b"x.list.test\n" * 6000)[:0x10000] + b"\r\n"
        for _ in range(4096):
            self.wfile.write(chunk)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class NameServer(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        end = 12
        while data[end]:
            end += data[end] + 1
        question = data[12:end + 5]
        known = question[:-4].lower() == b"\5lists\4test\0" and question[-4:-2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("127.0.0.1") if known else b""
        head = data[:2] + struct.pack(">HHHHH", 0x8180, 1, int(known), 0, 0)
        sock.sendto(head + question + answer, self.client_address)


def main():
    folder = pathlib.Path(sys.argv[1])
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout",
                    folder / "key.pem", "-out", folder / "ca.pem", "-subj", "/CN=lists.test", "-addext",
                    "subjectAltName=DNS:lists.test"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    plain, secure = Server(("127.0.0.1", 0), Handler), Server(("127.0.0.1", 0), Handler)
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    names = socketserver.ThreadingUDPServer(("127.0.0.1", 0), NameServer)
    for server in (plain, secure, names):
        server.http_port = plain.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = {"http": plain.server_port, "https": secure.server_port, "dns": names.server_address[1]}
    (folder / "ports.new").write_text(json.dumps(ports))
    (folder / "ports.new").rename(folder / "ports.json")
    sys.stdin.read()


if __name__ == "__main__":
    main()
