"""Receipts: canonical JSON with an Ed25519 signature, and the key that signs them and hides the subject."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from lakehouse.errors import ReceiptError
from lakehouse.made_once import make_once

ALGORITHM = "Ed25519"
PRIVATE_KEY, PUBLIC_KEY = "withdrawals.key", "withdrawals.pub"


@dataclass(frozen=True, slots=True)
class Signer:
    """The key pair in a folder, made when it is first needed; only the owner can read the private half."""

    folder: Path

    def fingerprint(self, subject: str) -> str:
        """Return the subject's keyed hash: without the private key nobody can try values until one fits."""
        return keyed_hash(self.salt(), subject.strip())

    def salt(self) -> bytes:
        """Return the key of these hashes, which cannot sign anything."""
        return hashlib.sha256(b"subject" + self._key().private_bytes_raw()).digest()

    def sign(self, receipt: Mapping[str, Any]) -> bytes:
        """Return the signed receipt as canonical JSON."""
        key = self._key()
        signature = {
            "algorithm": ALGORITHM,
            "public_key": self.public_hex(),
            "value": key.sign(canonical_json(receipt)).hex(),
        }
        return canonical_json({"receipt": receipt, "signature": signature})

    def public_hex(self) -> str:
        """Return the public key as receipts name it, in hexadecimal digits."""
        return self._key().public_key().public_bytes_raw().hex()

    def public_key(self) -> Path:
        """Return the file of the public key, in PEM, for whoever verifies."""
        path = self.folder / PUBLIC_KEY
        if not path.is_file():
            pem = self._key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_once(path, pem, 0o644)
        return path

    def _key(self) -> Ed25519PrivateKey:
        path = self.folder / PRIVATE_KEY
        if not path.is_file():
            pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_once(path, pem)
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except ValueError as error:
            raise ReceiptError(f"{path} is no private key ({error}); restore it from a backup") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ReceiptError(f"{path} is no {ALGORITHM} key; restore it from a backup")
        return key


def keyed_hash(salt: bytes, value: str) -> str:
    """Return the hash of a value under the key that `Signer.salt` returns, in 64 hexadecimal digits."""
    return hmac.digest(salt, value.encode(), "sha256").hex()


def verify(document: bytes, public_key: Path) -> dict[str, Any]:
    """Return the receipt of a signed document.

    Raises:
        ReceiptError: it is no receipt, was altered, or was signed with another key.
    """
    try:
        whole = json.loads(document)
        receipt, signature = whole["receipt"], whole["signature"]
        value, said = bytes.fromhex(signature["value"]), signature["algorithm"]
        key = load_pem_public_key(public_key.read_bytes())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReceiptError(
            f"receipt or public key cannot be read ({type(error).__name__}: {error}); ask for the file again"
        ) from error
    if said != ALGORITHM or not isinstance(key, Ed25519PublicKey) or not isinstance(receipt, dict):
        raise ReceiptError(f"the receipt is signed with {said!r}, and only {ALGORITHM} is known")
    try:
        key.verify(value, canonical_json(receipt))
    except InvalidSignature as error:
        raise ReceiptError(
            f"the receipt was altered, or not signed with the key in {public_key.name}; ask the archive for it again"
        ) from error
    return receipt


def canonical_json(value: object) -> bytes:
    """Return the one spelling that is signed: sorted names, no white space, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
