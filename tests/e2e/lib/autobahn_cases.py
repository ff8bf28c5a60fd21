#!/usr/bin/env python3
"""Drives the case classes of a checkout of the public Autobahn|Testsuite against WebSocket servers.

    autobahn_cases.py CHECKOUT SPEC

SPEC is JSON: {"targets": [{"name", "url"}], "sections": ["1", ...], "messages": N, "parallel": N}. Prints a line of JSON
for each case and target: {"target", "case", "section", "behavior", "close", "result"}, in the suite's own words.

The suite's runner and classes are Python 2; its cases are loaded here as Python 3 with what that changes put right:
their octet strings are str whose characters are octets, and whatever passes between a case and the protocol is
converted. The protocol itself is that of Debian's python3-autobahn. `messages` replaces the 1000 messages that a case
of sections 12 and 13 sends.
"""
import ast
import binascii
import importlib.machinery
import json
import os
import re
import sys
import types

import autobahn.websocket.utf8validator
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol, connectWS
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet import reactor


def octets(text):
    return text.encode("latin-1") if isinstance(text, str) else text


def snake_case(match):
    return re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), match[0])


class FloorDivision(ast.NodeTransformer):
    """In Python 2 a quotient of integers is one."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            node.op = ast.FloorDiv()
        return node


class Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, *, _optimize=-1):
        text = data.decode("latin-1")
        text = re.sub(r"^(\s*)print\b.*$", r"\1pass", text, flags=re.M)
        text = text.replace("(object, Case, )", "(Case, )").replace("xrange(", "range(")
        text = re.sub(r"^import binascii\b", "import octets_binascii as binascii", text, flags=re.M)
        text = text.replace("from autobahn.websocket.utf8validator import", "from octets_utf8validator import")
        text = text.replace("pkg_resources", "suite_files")
        # As the parameters of an offer are called since.
        text = re.sub(r"\b(request|accept)(NoContextTakeover|MaxWindowBits)\b", snake_case, text)
        tree = FloorDivision().visit(ast.parse(text, path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True, optimize=_optimize)

    def get_code(self, fullname):  # no byte code beside the checkout
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def stand_in(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


class OctetsValidator(autobahn.websocket.utf8validator.Utf8Validator):
    def validate(self, text):
        return super().validate(octets(text))


def load(checkout):
    base = os.path.join(checkout, "autobahntestsuite/autobahntestsuite")
    folder = os.path.join(base, "case")
    stand_in("octets_binascii", b2a_hex=lambda text: binascii.b2a_hex(octets(text)).decode())
    stand_in("octets_utf8validator", Utf8Validator=OctetsValidator)
    stand_in("suite_files", resource_filename=lambda _, name: os.path.join(base, name))
    # Not among the suite's Cases, and needs an interface that is no more.
    stand_in("case9_9_1")
    sys.path_hooks.insert(0, importlib.machinery.FileFinder.path_hook((Loader, [".py"])))
    sys.path_importer_cache.clear()
    sys.path.insert(0, folder)
    cases = types.ModuleType("cases")
    path = os.path.join(folder, "__init__.py")
    exec(Loader("cases", path).get_code("cases"), cases.__dict__)
    # The suite compares pickles, which differ in Python 3 for equal values that are not the same objects.
    cases.Case1_1_1.__mro__[1].compare = lambda self, one, other: one == other
    return cases.Cases


def id_of(case):
    return case.__name__[len("Case"):].replace("_", ".")


class Protocol(WebSocketClientProtocol):
    """What the suite's fuzzing client adds to a client."""

    def connectionMade(self):
        self.connectionWasOpen = False
        self.createWirelog = False
        self.txFrameStats = {}
        self.run = self.factory.case(self)
        # Sections 12 and 13 handle bytes in a way that Python 3 understands.
        self.as_bytes = hasattr(self.run, "TESTDATA")
        if self.as_bytes:
            self.run.COUNT = min(self.run.COUNT, self.factory.messages)
        super().connectionMade()

    def connectionLost(self, reason):
        super().connectionLost(reason)
        self.run.onConnectionLost(self.failedByMe)
        self.factory.done(self.run)

    def enableWirelog(self, enable):
        self.createWirelog = enable

    def logRxOctets(self, data):
        pass

    def logTxOctets(self, data, sync):
        pass

    def logRxFrame(self, frameHeader, payload):
        pass

    def logTxFrame(self, frameHeader, payload, repeatLength, chopsize, sync):
        self.txFrameStats[frameHeader.opcode] = self.txFrameStats.get(frameHeader.opcode, 0) + 1

    def later(self, delay, what):
        reactor.callLater(delay, lambda: None if self.state == WebSocketProtocol.STATE_CLOSED else what())

    def continueLater(self, delay, what, tag=None):
        self.later(delay, what)

    def killAfter(self, delay):
        self.later(delay, self._fail_connection)

    def closeAfter(self, delay):
        self.later(delay, self.sendClose)

    def sendFrame(self, opcode, payload=b"", **more):
        super().sendFrame(opcode, payload=octets(payload), **more)

    def sendMessage(self, payload, isBinary=False, **more):
        super().sendMessage(octets(payload), isBinary, **more)

    def sendMessageFrameData(self, payload, sync=False):
        return super().sendMessageFrameData(octets(payload), sync)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        super().sendCloseFrame(code, None if reasonUtf8 is None else octets(reasonUtf8), isReply)

    def received(self, payload):
        return payload if self.as_bytes else payload.decode("latin-1")

    def onOpen(self):
        self.connectionWasOpen = True
        self.run.onOpen()

    def onMessage(self, payload, isBinary):
        self.run.onMessage(self.received(payload), isBinary)

    def onPing(self, payload):
        self.run.onPing(self.received(payload))

    def onPong(self, payload):
        self.run.onPong(self.received(payload))

    def onClose(self, wasClean, code, reason):
        self.run.onClose(wasClean, code, reason)


class Factory(WebSocketClientFactory):
    protocol = Protocol
    noisy = False

    def __init__(self, target, case, messages, done):
        super().__init__(target["url"])
        self.setProtocolOptions(failByDrop=False, closeHandshakeTimeout=10, serverConnectionDropTimeout=10, openHandshakeTimeout=20)
        self.logFrames = True
        self.target, self.case, self.messages, self.when_done = target, case, messages, done

    def done(self, run):
        print(json.dumps({"target": self.target["name"], "case": id_of(self.case), "section": id_of(self.case).split(".")[0],
                          "behavior": run.behavior, "close": run.behaviorClose, "result": f"{run.result} {run.resultClose}"}), flush=True)
        self.when_done()

    def clientConnectionFailed(self, connector, reason):
        print(json.dumps({"target": self.target["name"], "case": id_of(self.case), "section": id_of(self.case).split(".")[0],
                          "behavior": "FAILED", "close": "FAILED", "result": reason.getErrorMessage()}), flush=True)
        self.when_done()


def main():
    checkout, spec = sys.argv[1], json.loads(sys.argv[2])
    cases = load(checkout)
    left = [(target, case) for target in spec["targets"] for case in cases if id_of(case).split(".")[0] in spec["sections"]]
    under_way = 0

    def begin():
        nonlocal under_way
        while left and under_way < spec["parallel"]:
            under_way += 1
            target, case = left.pop(0)
            connectWS(Factory(target, case, spec["messages"], done))

    def done():
        nonlocal under_way
        under_way -= 1
        if left:
            reactor.callLater(0, begin)
        elif under_way == 0:
            reactor.stop()

    reactor.callWhenRunning(begin)
    reactor.run()


main()
