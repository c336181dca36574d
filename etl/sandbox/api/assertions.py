"""Signed assertions (`private_key_jwt`): verified with the public half that the client registered."""

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry

from etl.sandbox.answers import TokenRefusal
from etl.sandbox.api.clients import OAuthClient
from etl.sandbox.world.items import Item

ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "PS256")
# The vendor's samples live five minutes; what it accepts at most is unknown.
LONGEST_LIFE = 600
LEEWAY = 30


def verified_claims(assertion: str, client: OAuthClient, *, token_url: str) -> Item:
    """The claims of an assertion that this client signed for this address; raises TokenRefusal otherwise."""
    if client.public_key is None:
        raise _refusal("no key is registered")
    try:
        token = jwt.decode(assertion, _key(client.public_key), algorithms=ALGORITHMS)
        _claims(client, token_url).validate(token.claims)
    except (JoseError, ValueError) as problem:
        raise _refusal(str(problem)) from problem
    if client.key_id not in {None, token.header.get("kid")}:
        raise _refusal("kid names no registered key")
    if token.claims["exp"] - token.claims["iat"] > LONGEST_LIFE:
        raise _refusal("it lives too long")
    return token.claims


def _key(pem: str) -> ECKey | RSAKey:
    kind = RSAKey if isinstance(load_pem_public_key(pem.encode()), RSAPublicKey) else ECKey
    return kind.import_key(pem)


def _claims(client: OAuthClient, token_url: str) -> JWTClaimsRegistry:
    ours: ClaimsOption = {"essential": True, "value": client.client_id}
    return JWTClaimsRegistry(
        leeway=LEEWAY,
        iss=ours,
        sub=ours,
        aud={"essential": True, "value": token_url},
        exp={"essential": True},
        iat={"essential": True},
        jti={"essential": True},
    )


def _refusal(reason: str) -> TokenRefusal:
    return TokenRefusal(401, "invalid_client", f"the assertion is not valid: {reason}")
