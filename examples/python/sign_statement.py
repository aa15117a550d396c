#!/usr/bin/env python3
"""Signs an in-toto statement about a phase of a task, as evidence for a gate of kind `statement`.

    sign_statement.py --new-key FILE                              # makes a private key; prints the public one
    sign_statement.py --key FILE --task TASK --subject SHA256 --type URI --predicate JSON > review.json
    sign_statement.py --key FILE --also review.json > both.json   # adds a signature to what another signed
    sign_statement.py --check                                     # compares with examples/processes/review.json

`psi-field process status` shows the subject. The public key belongs into `[keys]` of the spec. What comes out is an
envelope of DSSE: give it with `psi-field process evidence add`. Keys are Ed25519, in PEM.
"""

import argparse
import base64
import json
import os
import pathlib
import sys
import tomllib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PROCESSES = pathlib.Path(__file__).resolve().parents[1] / "processes"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def statement(task, subject, predicate_type, predicate):
    """The bytes of a statement about a phase, named by its hash, and a task of a process, named without the process."""
    named = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": task, "digest": {"sha256": subject}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return json.dumps(named, separators=(",", ":")).encode()


def signed_bytes(payload):
    """What is signed: the type and the payload, each after its length (DSSE, pre-authentication encoding)."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def envelope(payload):
    return {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE, "signatures": []}


def sign(found, key):
    """Adds a signature to an envelope. Nodes try all keys of the gate, so no name of a key is needed."""
    if found.get("payloadType") != PAYLOAD_TYPE:
        raise ValueError(f"an envelope of {found.get('payloadType')}: only {PAYLOAD_TYPE} is signed")
    signature = key.sign(signed_bytes(base64.b64decode(found["payload"], validate=True)))
    found["signatures"].append({"sig": base64.b64encode(signature).decode()})


def public_pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def make_key(path):
    """Writes a private key that only its owner may read. A file that is there is left as it is."""
    key = Ed25519PrivateKey.generate()
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    return public_pem(key)


def read_key(path):
    key = serialization.load_pem_private_key(pathlib.Path(path).read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} is no key of Ed25519; --new-key makes one")
    return key


def check():
    """Signs once more what examples/processes has, with the keys of its spec, which everybody has."""
    spec = tomllib.loads((PROCESSES / "nine-phases.toml").read_text(encoding="utf-8"))
    kept = (PROCESSES / "review.json").read_text(encoding="utf-8")
    subject = json.loads(base64.b64decode(json.loads(kept)["payload"]))["subject"][0]
    made = envelope(statement("main", subject["digest"]["sha256"], "https://psi-field.dev/review/v1", {"approved": True}))
    for number, name in [(2, "reviewer-1"), (3, "reviewer-2")]:
        key = Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))
        if public_pem(key).strip() != spec["keys"][name].strip():
            print(f"{name} of nine-phases.toml is another key")
            return 1
        sign(made, key)
    if json.dumps(made) + "\n" != kept:
        print(f"signed: {json.dumps(made)}\nreview.json is another")
        return 1
    print("review.json is what is signed here")
    return 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--new-key", metavar="FILE", help="make a private key, and print the public one")
    parser.add_argument("--check", action="store_true", help="compare with examples/processes/review.json")
    parser.add_argument("--key", metavar="FILE", help="the private key to sign with")
    parser.add_argument("--also", metavar="FILE", help="an envelope, to which a signature is added")
    parser.add_argument("--task", help="the task, without its process (default: main)", default="main")
    parser.add_argument("--subject", metavar="SHA256", help="the phase, as `psi-field process status` shows it")
    parser.add_argument("--type", metavar="URI", help="the `predicate_type` of the gate")
    parser.add_argument("--predicate", metavar="JSON", help="what is said, such as '{\"approved\": true}'")
    given = parser.parse_args()
    said = [given.subject, given.type, given.predicate]
    if not (given.check or given.new_key) and not (given.key and (given.also or all(said))):
        parser.error("give --new-key, --check, or --key with --also or with --subject, --type and --predicate")
    return given


def main():
    given = arguments()
    if given.check:
        return check()
    try:
        if given.new_key:
            print(make_key(given.new_key), end="")
            return 0
        if given.also:
            made = json.loads(pathlib.Path(given.also).read_text(encoding="utf-8"))
        else:
            made = envelope(statement(given.task, given.subject, given.type, json.loads(given.predicate)))
        sign(made, read_key(given.key))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"nothing is signed: {error}", file=sys.stderr)
        return 1
    print(json.dumps(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
