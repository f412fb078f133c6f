"""A second Message Stream Encryption, written from the protocol's text alone. Prints test/mse/vectors.json.

Each case is one whole connection: both sides' secrets and padding, what each sends, and the payload that is in it.
"""

import hashlib
import json

PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
    16,
)
PLAINTEXT, RC4 = 1, 2


def sha1(*parts):
    return hashlib.sha1(b"".join(parts)).digest()


def noise(label, length):
    """Bytes that look random and are the same every time."""
    out = b""
    while len(out) < length:
        out += sha1(label.encode(), len(out).to_bytes(4, "big"))
    return out[:length]


def rc4(key):
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    while True:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        yield state[(state[i] + state[j]) % 256]


class Stream:
    def __init__(self, key):
        self.bytes = rc4(key)
        for _ in range(1024):
            next(self.bytes)

    def __call__(self, data):
        return bytes(byte ^ next(self.bytes) for byte in data)


def connection(name, provide, select, pads, initial):
    info_hash = sha1(b"torrent", name.encode())
    # The first bit of an exponent is 1 by bae's own rule.
    x, y = (int.from_bytes(noise(name + side, 20), "big") | 1 << 159 for side in ("a", "b"))
    key_a, key_b = (pow(2, exponent, PRIME).to_bytes(96, "big") for exponent in (x, y))
    secret = pow(int.from_bytes(key_b, "big"), x, PRIME).to_bytes(96, "big")
    assert secret == pow(int.from_bytes(key_a, "big"), y, PRIME).to_bytes(96, "big")
    pad_a, pad_b = noise(name + "pad a", pads[0]), noise(name + "pad b", pads[1])
    from_a = Stream(sha1(b"keyA", secret, info_hash))
    from_b = Stream(sha1(b"keyB", secret, info_hash))
    ia, later_a, later_b = (noise(name + label, length) for label, length in (("ia", initial), ("la", 100), ("lb", 300)))
    hidden = bytes(p ^ q for p, q in zip(sha1(b"req2", info_hash), sha1(b"req3", secret)))
    offer = bytes(8) + provide.to_bytes(4, "big") + pads[2].to_bytes(2, "big") + bytes(pads[2])
    offer += len(ia).to_bytes(2, "big") + ia
    answer = bytes(8) + select.to_bytes(4, "big") + pads[3].to_bytes(2, "big") + bytes(pads[3])
    a = [key_a + pad_a, sha1(b"req1", secret) + hidden + from_a(offer)]
    b = [key_b + pad_b, from_b(answer)]
    a.append(from_a(later_a) if select == RC4 else later_a)
    b.append(from_b(later_b) if select == RC4 else later_b)
    hexed = {
        "infoHash": info_hash,
        "exponentA": noise(name + "a", 20),
        "exponentB": noise(name + "b", 20),
        "padA": pad_a,
        "padB": pad_b,
        "initialPayload": ia,
        "laterA": later_a,
        "laterB": later_b,
    }
    return {
        "name": name,
        "provide": provide,
        "select": select,
        "padC": pads[2],
        "padD": pads[3],
        **{key: value.hex() for key, value in hexed.items()},
        "fromA": [part.hex() for part in a],
        "fromB": [part.hex() for part in b],
    }


def rc4_vector(key, length):
    return {"key": key.hex(), "stream": Stream(key)(bytes(length)).hex()}


print(
    json.dumps(
        {
            "rc4": [rc4_vector(bytes([1, 2, 3, 4, 5]), 32), rc4_vector(noise("key", 20), 2000)],
            "connections": [
                connection("plaintext", 3, PLAINTEXT, (17, 0, 0, 0), 68),
                connection("rc4", 2, RC4, (0, 512, 0, 0), 68),
                connection("padded", 2, RC4, (512, 512, 512, 512), 0),
                connection("plaintext, padded", 1, PLAINTEXT, (512, 100, 1, 511), 1000),
            ],
        },
        indent=1,
    )
)
