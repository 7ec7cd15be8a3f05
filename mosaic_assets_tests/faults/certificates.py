"""Certificates for servers on loopback, made on the spot: tests need neither a tool for it nor a key in the repository.

Plain arithmetic on the curve P-256 (https://doi.org/10.6028/NIST.SP.800-186, 3.2.1.3), slow and not hardened: for tests.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = tuple[int, int]


def add(a: Point | None, b: Point | None) -> Point | None:
    """Sum of two points; None is the one at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = (3 * a[0] ** 2 - 3) * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(factor: int, point: Point) -> Point:
    total: Point | None = None
    power: Point | None = point
    while factor:
        total = add(total, power) if factor & 1 else total
        power, factor = add(power, power), factor >> 1
    assert total
    return total


# DER, https://www.itu.int/rec/T-REC-X.690, as far as certificates need it


def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (size if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body


def whole_number(value: int) -> bytes:
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def sequence(*parts: bytes) -> bytes:
    return der(0x30, *parts)


def bits(data: bytes) -> bytes:
    return der(3, b"\0", data)


ECDSA_SHA256 = sequence(bytes.fromhex("06082a8648ce3d040302"))
EC_P256 = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06082a8648ce3d030107")
COMMON_NAME, ALT_NAME, BASIC = bytes.fromhex("0603550403"), bytes.fromhex("0603551d11"), bytes.fromhex("0603551d13")


@dataclass(frozen=True)
class Key:
    """A private key with the name it signs for."""

    name: str
    secret: int

    @classmethod
    def new(cls, name: str) -> Key:
        return cls(name, 1 + secrets.randbelow(N - 1))

    @property
    def public(self) -> bytes:
        x, y = times(self.secret, G)
        return b"\4" + x.to_bytes(32, "big") + y.to_bytes(32, "big")

    @property
    def subject(self) -> bytes:
        return sequence(der(0x31, sequence(COMMON_NAME, der(0x0C, self.name.encode()))))

    def sign(self, data: bytes) -> bytes:
        digest, nonce = int.from_bytes(hashlib.sha256(data).digest(), "big"), 1 + secrets.randbelow(N - 1)
        r = times(nonce, G)[0] % N
        return sequence(whole_number(r), whole_number(pow(nonce, -1, N) * (digest + r * self.secret) % N))

    def pem(self) -> str:
        """RFC 5915."""
        body = sequence(whole_number(1), der(4, self.secret.to_bytes(32, "big")), der(0xA0, EC_P256[1]))
        return pem("EC PRIVATE KEY", body)

    def certify(self, other: Key, *, until: str = "20991231235959Z", address: str = "") -> str:
        """A certificate of ``other``: an authority, or, with an address, a server. RFC 5280, 4.1."""
        if address:
            packed = ipaddress.ip_address(address).packed
            extension = sequence(ALT_NAME, der(4, sequence(der(0x87, packed))))
        else:
            extension = sequence(BASIC, b"\1\1\xff", der(4, sequence(b"\1\1\xff")))
        content = sequence(
            der(0xA0, whole_number(2)), whole_number(secrets.randbits(64)), ECDSA_SHA256, self.subject,
            sequence(der(0x18, b"20000101000000Z"), der(0x18, until.encode())), other.subject,
            sequence(sequence(*EC_P256), bits(other.public)), der(0xA3, sequence(extension)),
        )  # fmt: skip
        return pem("CERTIFICATE", sequence(content, ECDSA_SHA256, bits(self.sign(content))))


def pem(label: str, body: bytes) -> str:
    text = base64.encodebytes(body).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


@dataclass(frozen=True)
class Authority:
    """An authority of our own, with the file that makes others trust it."""

    key: Key
    bundle: Path

    @classmethod
    def new(cls, folder: Path) -> Authority:
        key = Key.new("an authority of the tests")
        bundle = folder / "authority.pem"
        bundle.write_text(key.certify(key))
        return cls(key, bundle)

    def server(self, folder: Path, address: str = "127.0.0.1", until: str = "20991231235959Z") -> tuple[str, str]:
        """Files with the certificate and the key of a server at an address."""
        key, files = Key.new("a server of the tests"), (folder / "server.pem", folder / "server.key")
        files[0].write_text(self.key.certify(key, address=address, until=until))
        files[1].write_text(key.pem())
        return str(files[0]), str(files[1])
