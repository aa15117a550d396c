"""What a client needs where the cluster has a key: the access token, and whom to believe.

The token says the latter too: it holds the SHA-256 of the public key of the cluster's certificate authority. Nodes show
the authority's certificate in each handshake. So one string is enough, and no file.

Where nodes have certificates that others issue, the authority is in a file, and the token says nothing of it.
"""

import base64
import hashlib
import pathlib
import socket
import ssl

import grpc

PREFIX = "psi-token-"
MAC_BYTES = 32
AUTHORITIES = 8  # the tag of their hashes in the token
BYTES = 2  # the wire type of bytes and text in protobuf; what else a token has is a number
# A node shows a certificate for the name that it is asked by. What counts is the authority.
NAME = "psi-field"
TIMEOUT = 5  # seconds


class NoAccess(Exception):
    """The token is none, or no node shows an authority that is in it."""


def open_channel(target, trust=None, options=()):
    """A channel to nodes; `trust` is what `find_trust` gave, None for a cluster without a key."""
    if trust is None:
        return grpc.insecure_channel(target, options=options)
    token, authority = trust
    # Sends `authorization: Bearer TOKEN` with each call.
    calls = grpc.access_token_call_credentials(token)
    credentials = grpc.composite_channel_credentials(grpc.ssl_channel_credentials(authority), calls)
    return grpc.secure_channel(target, credentials, options=[*options, ("grpc.ssl_target_name_override", NAME)])


def find_trust(token, addresses, ca_file=None):
    """The token, and the certificate of an authority that it names, shown by some node; as PEM. Or those of a file."""
    token = token.strip()
    hashes = authorities(token)
    if ca_file:
        return token, pathlib.Path(ca_file).read_bytes()
    shown = []
    for address in addresses:
        try:
            chain = shown_chain(address)
        except OSError as error:
            shown.append(f"{address}: {error}")
            continue
        for certificate in chain:
            if hashlib.sha256(public_key(certificate)).digest() in hashes:
                return token, ssl.DER_cert_to_PEM_cert(certificate).encode()
        shown.append(f"{address}: its authority is not that of the token")
    raise NoAccess("; ".join(shown))


def authorities(token):
    """The hashes in a token: base64url of a protobuf message, and of a MAC that nodes verify."""
    try:
        text = token.removeprefix(PREFIX)
        message = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[:-MAC_BYTES]
        found, at = [], 0
        while at < len(message):
            key, at = varint(message, at)
            value, at = varint(message, at)
            if key & 7 == BYTES:
                start, at = at, at + value
                if key >> 3 == AUTHORITIES:
                    found.append(message[start:at])
    except (ValueError, IndexError):
        found = []
    if not token.startswith(PREFIX) or not found:
        raise NoAccess("this is no access token; `psi-field token` makes one")
    return found


def varint(message, at):
    """A number of protobuf: seven bits a byte, the lowest first. And where it ends."""
    value, shift = 0, 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def shown_chain(address):
    """The certificates that a node shows, unverified."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host.strip("[]"), int(port)), TIMEOUT) as connection:
        with context.wrap_socket(connection, server_hostname=NAME) as secured:
            if hasattr(secured, "get_unverified_chain"):
                return secured.get_unverified_chain()
            # Before Python 3.13.
            return [one.public_bytes(ssl._ssl.ENCODING_DER) for one in secured._sslobj.get_unverified_chain()]


def public_key(certificate):
    """The SubjectPublicKeyInfo of a certificate (RFC 5280, 4.1), by its place: the same bytes elsewhere prove nothing."""
    at, _ = content(certificate, 0)  # of Certificate
    at, _ = content(certificate, at)  # of TBSCertificate
    for _ in ("version", "serialNumber", "signature", "issuer", "validity", "subject"):
        _, at = content(certificate, at)
    _, end = content(certificate, at)
    return certificate[at:end]


def content(der, at):
    """Where the content of the element at a place begins and ends."""
    length, at = der[at + 1], at + 2
    if length > 0x7F:
        octets = length - 0x80
        length, at = int.from_bytes(der[at : at + octets], "big"), at + octets
    return at, at + length
