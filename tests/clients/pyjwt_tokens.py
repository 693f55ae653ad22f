"""Signs with PyJWT: a list of {alg, key, headers, claims} in, a list of tokens out, both JSON."""

import json
import sys

import jwt

jobs = json.load(sys.stdin)
json.dump([jwt.encode(job["claims"], job["key"], algorithm=job["alg"], headers=job["headers"]) for job in jobs], sys.stdout)
