"""Private keys as people keep them: PEM, or the bare Base64 of a PKCS#8 key."""

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def pem_of(text: str) -> str:
    """Return the key as PKCS#8 PEM; raises ValueError if the text is none, or none that signs a request for a token."""
    key = _load(text)
    _algorithm(key)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def algorithm_of(pem: str) -> str:
    """Return the JWS algorithm that goes with the key: by its curve, or RS256."""
    return _algorithm(_load(pem))


def _load(text: str) -> EllipticCurvePrivateKey | RSAPrivateKey:
    try:
        if "-----BEGIN" in text:
            key = load_pem_private_key(text[text.index("-----BEGIN") :].encode(), password=None)
        else:
            key = load_der_private_key(base64.b64decode("".join(text.split()), validate=True), password=None)
    except TypeError:
        raise ValueError("the private key is protected by a passphrase; it has to be stored without one") from None
    except (ValueError, binascii.Error):
        # Not chained: what a parser says of a key may hold parts of it.
        raise ValueError("holds no private key, neither as PEM nor as the Base64 of a PKCS#8 key") from None
    if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise ValueError("the private key is neither EC nor RSA")  # noqa: TRY004 - a setting's value, not a type
    return key


def _algorithm(key: EllipticCurvePrivateKey | RSAPrivateKey) -> str:
    if isinstance(key, RSAPrivateKey):
        return "RS256"
    if key.curve.name not in _ALGORITHMS:
        raise ValueError(f"the private key's curve {key.curve.name} goes with no algorithm in use here")
    return _ALGORITHMS[key.curve.name]
