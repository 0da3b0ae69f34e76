"""TensorFlow Serving's REST interface over a SavedModel, as its source reads requests.

What it takes and refuses follows `util/json_tensor.cc` of TensorFlow Serving: rows
(`instances`) must name every input and nothing else, columns (`inputs`) every input;
signatures without inputs cannot be called; whole numbers alone are int32; strings of an
output whose name ends in _bytes are base64. The real server is not in Python's reach.
"""

import base64
import contextlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import tensorflow as tf

ADDRESS = re.compile(r"/v1/models/(\w+)(?:/versions/(\d+))?(:predict|/metadata)?")


class Refused(Exception):
    """What the server answers with code 400."""


def _tensor(value, spec):
    """JSON as a tensor of an input's kind."""
    kinds = (int,) if spec.dtype == tf.int32 else (int, float)
    leaves = np.asarray(value, dtype=object).ravel().tolist()
    wrong = [leaf for leaf in leaves if type(leaf) not in kinds]
    if wrong:
        raise Refused(f"JSON Value: {wrong[0]} is not of expected type: {spec.dtype}")
    return tf.constant(value, spec.dtype)


def _inputs(body, specs):
    """The tensors of a request, and whether it came in rows."""
    if ("instances" in body) == ("inputs" in body):
        raise Refused("Missing 'inputs' or 'instances' key")
    if "inputs" in body:
        for name in specs:
            if name not in body["inputs"]:
                raise Refused(f"Missing named input: {name} in 'inputs' object.")
        return {n: _tensor(body["inputs"][n], specs[n]) for n in specs}, False
    if not body["instances"]:
        raise Refused("No values in 'instances' array")
    for number, row in enumerate(body["instances"]):
        if row.keys() != specs.keys():
            keys = ",".join(sorted(specs))
            raise Refused(
                f"Failed to process element: {number} of 'instances' list. "
                f"JSON object: {json.dumps(row)} keys must be equal to: {keys}"
            )
    return {
        n: _tensor([row[n] for row in body["instances"]], specs[n]) for n in specs
    }, True


def _json_of(name, value):
    if value.dtype == tf.string and name.endswith("_bytes"):
        return [{"b64": base64.b64encode(s).decode()} for s in value.numpy().tolist()]
    if value.dtype == tf.string:
        return [text.decode() for text in value.numpy().tolist()]
    return value.numpy().tolist()


def predict(signatures, body):
    """The answer to a request, as JSON."""
    name = body.get("signature_name", "serving_default")
    if name not in signatures:
        raise Refused(f"Serving signature name: {name!r} not found in signature def")
    function = signatures[name]
    if hasattr(function, "get_concrete_function"):  # not saved yet
        function = function.get_concrete_function()
    flat = tf.nest.flatten(function.structured_input_signature)
    specs = {spec.name: spec for spec in flat}
    if not specs:
        raise Refused(f"Failed to get input map for signature: {name}")
    inputs, in_rows = _inputs(body, specs)
    try:
        made = signatures[name](**inputs)
    except tf.errors.OpError as error:
        raise Refused(error.message) from None
    except (TypeError, ValueError) as error:  # of another shape
        raise Refused(str(error)) from None
    outputs = {n: _json_of(n, value) for n, value in made.items()}
    if in_rows:
        sizes = {np.shape(value)[:1] for value in made.values()}
        if len(sizes) != 1 or sizes == {()}:
            raise Refused("Tensor has inconsistent batch size")
        rows = [
            dict(zip(outputs, row, strict=True))
            for row in zip(*outputs.values(), strict=True)
        ]
        if len(outputs) == 1:
            (rows,) = outputs.values()
        return {"predictions": rows}
    return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}


@contextlib.contextmanager
def serving(signatures, name="pdm", answer=predict):
    """An address where a SavedModel is served, and the requests that came so far."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(body)
            found = ADDRESS.fullmatch(self.path)
            if not found or found[1] != name or found[3] != ":predict":
                text = f"Servable not found for request: Latest({self.path})"
                return self.say(404, {"error": text})
            try:
                return self.say(200, answer(signatures, body))
            except Refused as error:
                return self.say(400, {"error": str(error)})

        def say(self, code, content):
            content = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/models/{name}", seen
    finally:
        server.shutdown()
        server.server_close()
