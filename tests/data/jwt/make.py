"""Makes the keys and tokens of this folder with PyJWT and cryptography. The private keys are thrown away.

    python -m venv venv && venv/bin/pip install "PyJWT[crypto]" && venv/bin/python make.py
"""

import base64
import datetime
import json
import pathlib

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

HERE = pathlib.Path(__file__).parent
SECRET = b"a secret of 64 bytes, which is what an HS512 signature asks for!"
CLAIMS = {
    "iss": "https://id.example/",
    "sub": "42",
    "aud": "sidestream",
    "jti": "a1",
    "iat": 1700000000,
    "nbf": 1700000000,
    "exp": 1700003600,
    "email": "push@project.example",
    "email_verified": True,
}

KEYS = {
    "rsa": (rsa.generate_private_key(65537, 2048), RSAAlgorithm, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    "rsa-new": (rsa.generate_private_key(65537, 3072), RSAAlgorithm, ["RS256"]),
    "p256": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm, ["ES256"]),
    "p384": (ec.generate_private_key(ec.SECP384R1()), ECAlgorithm, ["ES384"]),
    "ed25519": (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm, ["EdDSA"]),
}
# Keys that are not to be used.
UNUSED = {
    "rsa-short": rsa.generate_private_key(65537, 1024),
    "p521": ec.generate_private_key(ec.SECP521R1()),
}


def pem(public, kind=serialization.PublicFormat.SubjectPublicKeyInfo):
    return public.public_bytes(serialization.Encoding.PEM, kind)


def certificate(private, name):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begin = datetime.datetime(2020, 1, 1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(private.public_key())
    builder = builder.serial_number(7).not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=1))
    digest = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(private, digest).public_bytes(serialization.Encoding.PEM)


def main():
    tokens, jwks = [], []
    for kid, (private, algorithm, names) in KEYS.items():
        public = private.public_key()
        (HERE / f"{kid}.pem").write_bytes(pem(public))
        (HERE / f"{kid}.crt").write_bytes(certificate(private, kid))
        jwk = algorithm.to_jwk(public, as_dict=True)
        jwk.pop("key_ops", None)
        jwks.append({"kid": kid, "use": "sig", **jwk})
        for name in names:
            tokens.append((kid, name, jwt.encode(CLAIMS, private, name, headers={"kid": kid})))
        tokens.append((f"{kid}-nameless", names[0], jwt.encode(CLAIMS, private, names[0])))
    for name in ["HS256", "HS384", "HS512"]:
        tokens.append(("secret", name, jwt.encode(CLAIMS, SECRET, name, headers={"kid": "secret"})))
    (HERE / "rsa-pkcs1.pem").write_bytes(pem(KEYS["rsa"][0].public_key(), serialization.PublicFormat.PKCS1))
    for name, private in UNUSED.items():
        (HERE / f"{name}.pem").write_bytes(pem(private.public_key()))
    # What an attacker makes of a public key: a secret, in each of its forms.
    for form in ["rsa.pem", "rsa-pkcs1.pem", "rsa.crt"]:
        text = (HERE / form).read_bytes()
        tokens.append((f"confused-{form}", "HS256", forge(text)))
    (HERE / "jwks.json").write_text(json.dumps({"keys": jwks}, indent=1) + "\n")
    (HERE / "tokens.txt").write_text("".join(f"{kid} {name} {token}\n" for kid, name, token in tokens))


def forge(secret):
    """PyJWT refuses to sign with PEM text, so this is made by hand."""
    import hashlib
    import hmac

    def part(value):
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(CLAIMS)
    return (signed + b"." + part(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


main()
