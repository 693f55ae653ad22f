"""Signs for the checks with Python's own libraries: a line of JSON in, a line of JSON out.

In: {"by": NAME, "secret": …, "id": …, "time": SECONDS, "body": TEXT}; out: {"signature": …}, or {"error": …}.
"""

import json
import sys
from datetime import datetime, timezone

from nacl.signing import SigningKey
from slack_sdk.signature import SignatureVerifier
from svix.webhooks import Webhook


def svix(asked):
    time = datetime.fromtimestamp(asked["time"], timezone.utc)
    return Webhook(asked["secret"]).sign(asked["id"], time, asked["body"])


def slack(asked):
    signer = SignatureVerifier(asked["secret"])
    return signer.generate_signature(timestamp=str(asked["time"]), body=asked["body"])


def discord(asked):
    """What Discord does with the private half of the key whose public half it shows."""
    signed = f"{asked['time']}{asked['body']}".encode()
    return SigningKey(bytes.fromhex(asked["secret"])).sign(signed).signature.hex()


def discord_public_key(asked):
    return SigningKey(bytes.fromhex(asked["secret"])).verify_key.encode().hex()


KNOWN = {f.__name__: f for f in (svix, slack, discord, discord_public_key)}

for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = {"signature": KNOWN[asked["by"]](asked)}
    except Exception as error:  # the checks show it
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
