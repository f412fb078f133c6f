"""A second reader of bae's storage format, written from docs/format.md alone. Needs Debian's python3-cryptography."""

import hashlib
import hmac
import json
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESOCB3
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK = 1048576
SEGMENT = 262144
TAG = 16
HEADER = 64
CHUNK_OBJECT = 1048704
SUITES = {1: AESGCM, 2: AESOCB3}
MAGIC = {"chunk": b"baeC", "table": b"baeT", "manifest": b"baeM", "piece": b"baeP"}


class Fault(Exception):
    """reason is one of: corrupt, unsupported, wrong key."""

    def __init__(self, reason, text):
        super().__init__(f"{reason}: {text}")
        self.reason = reason


def need(condition, text):
    if not condition:
        raise Fault("corrupt", text)


def label(text):
    return text.encode("ascii").ljust(16, b"\0")


def u64(number):
    return number.to_bytes(8, "big")


def derive(key, salt, info, length):
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


# The envelope


def object_key(kind, key, binding, first8, salt):
    """The object's key and the commitment that its header must hold."""
    derived = derive(key, salt, label("bae " + kind) + first8 + binding, 64)
    return derived[:32], derived[32:]


def nonce(segment, last):
    return bytes(7) + segment.to_bytes(4, "big") + bytes([1 if last else 0])


def open_envelope(kind, key, binding, sealed):
    need(len(sealed) > HEADER + TAG, f"{kind} is cut short")
    header = sealed[:HEADER]
    need(header[:4] == MAGIC[kind], f"not a {kind}")
    version, suite, log2, flags = header[4:8]
    if version != 1 or suite not in SUITES or log2 != 18 or flags != 0:
        raise Fault("unsupported", f"{kind} of version {version}, suite {suite}, segments 2^{log2}, flags {flags}")
    aead_key, commitment = object_key(kind, key, binding, header[:8], header[8:32])
    if not hmac.compare_digest(commitment, header[32:64]):
        raise Fault("wrong key", kind)
    aead = SUITES[suite](aead_key)
    body = sealed[HEADER:]
    count = -(-len(body) // (SEGMENT + TAG))
    parts = []
    for number in range(count):
        part = body[number * (SEGMENT + TAG) : (number + 1) * (SEGMENT + TAG)]
        need(len(part) > TAG, f"{kind} is cut short")
        try:
            parts.append(aead.decrypt(nonce(number, number == count - 1), part, header))
        except InvalidTag:
            raise Fault("corrupt", f"segment {number} of a {kind}") from None
    return b"".join(parts)


def seal_envelope(kind, key, binding, suite, salt, plaintext):
    """The other way round, to check vectors that are told by their hash."""
    first8 = MAGIC[kind] + bytes([1, suite, 18, 0])
    aead_key, commitment = object_key(kind, key, binding, first8, salt)
    header = first8 + salt + commitment
    aead = SUITES[suite](aead_key)
    count = -(-len(plaintext) // SEGMENT)
    parts = [
        aead.encrypt(nonce(n, n == count - 1), plaintext[n * SEGMENT : (n + 1) * SEGMENT], header) for n in range(count)
    ]
    return header + b"".join(parts)


def open_chunk(bundle_key, library, bundle, index, sealed):
    need(len(sealed) == CHUNK_OBJECT, "a chunk object is not of its one size")
    return open_envelope("chunk", bundle_key, library + bundle + u64(index), sealed)


def open_document(plaintext):
    """JSON object and a function that takes the next bytes of the sections (None: check the end)."""
    size = len(plaintext)
    need(size >= 4096 and size & (size - 1) == 0, "a document without padded length")
    at = 4 + int.from_bytes(plaintext[:4], "big")
    need(at <= size, "a document shorter than it says")
    value = json.loads(plaintext[4:at].decode("utf-8"))

    def take(length):
        nonlocal at
        if length is None:
            need(not any(plaintext[at:]), "bytes after a document's end")
            return b""
        need(at + length <= size, "a document shorter than it says")
        at += length
        return plaintext[at - length : at]

    return value, take


# Keys


def unwrap(wrapper, purpose, library, subject, wrapped_hex):
    wrapped = bytes.fromhex(wrapped_hex)
    need(len(wrapped) == 60, f"{purpose} is cut short")
    key = derive(wrapper, library, label("bae wrap"), 32)
    try:
        return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], label(purpose) + library + subject)
    except InvalidTag:
        raise Fault("wrong key", purpose) from None


def read_key_file(path):
    with open(path, encoding="ascii") as file:
        lines = [line.strip() for line in file.read().split("\n") if line.strip()]
    need(len(lines) == 5 and lines[0] == "bae library key 1", "not a key file")
    fields = dict(line.split(": ", 1) for line in lines[1:])
    text = "".join(line + "\n" for line in lines[:4])
    need(hashlib.sha256(text.encode()).hexdigest()[:16] == fields["check"], "the key file is damaged")
    return {name: bytes.fromhex(fields[name]) for name in ("library", "slot", "key")}


def open_root(raw, slot):
    line, mac, rest = raw.split(b"\n")
    need(rest == b"", "k/library is not two lines")
    root = json.loads(line.decode("utf-8"))
    need(root["schema"] == "bae library 1", "k/library of another schema")
    library = bytes.fromhex(root["library"])
    if library != slot["library"]:
        raise Fault("wrong key", "the key file is of another library")
    entry = next((one for one in root["slots"] if one["id"] == slot["slot"].hex()), None)
    if entry is None:
        raise Fault("wrong key", "the key file's slot was removed")
    master = unwrap(slot["key"], "bae master key", library, slot["slot"], entry["masterKey"])
    right = hmac.new(derive(master, library, label("bae root"), 32), line, hashlib.sha256).hexdigest()
    need(hmac.compare_digest(right.encode(), mac), "k/library was altered")
    need(unwrap(master, "bae slot key", library, slot["slot"], entry["slotKey"]) == slot["key"], "a slot's own key")
    earlier = [
        unwrap(master, "bae old master", library, bytes(8) + u64(one["epoch"]), one["key"]) for one in root["previous"]
    ]
    naming = unwrap(master, "bae naming key", library, bytes(16), root["namingKey"])
    return {"library": library, "naming": naming, "masters": [master, *earlier]}


# A library in a directory


class Library:
    def __init__(self, store, slot):
        self.store = store
        self.keys = open_root(self.read("k/library"), slot)
        self.id = self.keys["library"]

    def read(self, name):
        try:
            with open(os.path.join(self.store, *name.split("/")), "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise Fault("corrupt", f"{name} is missing") from None

    def handles(self):
        """Handle → generations, as the store lists them."""
        found = {}
        base = os.path.join(self.store, "m")
        for handle in sorted(os.listdir(base)) if os.path.isdir(base) else []:
            if re.fullmatch("[0-9a-f]{64}", handle):
                names = [name for name in os.listdir(os.path.join(base, handle)) if re.fullmatch("[0-9]{16}", name)]
                if names:
                    found[handle] = sorted(int(name) for name in names)
        return found

    def manifest(self, handle, generation):
        sealed = self.read(f"m/{handle}/{generation:016d}")
        binding = self.id + bytes.fromhex(handle) + u64(generation)
        fault = None
        for master in self.keys["masters"]:
            try:
                manifest, take = open_document(open_envelope("manifest", master, binding, sealed))
            except Fault as other:
                if other.reason != "wrong key":
                    raise
                fault = fault or other
                continue
            take(None)
            bundle = bytes.fromhex(manifest["bundle"])
            need(manifest["schema"] == "bae manifest 1", "a manifest of another schema")
            need(manifest["generation"] == generation, "a manifest's generation is not its name's")
            need(hmac.new(self.keys["naming"], bundle, "sha256").hexdigest() == handle, "a manifest's handle")
            key = unwrap(master, "bae bundle key", self.id, bundle, manifest["bundleKey"])
            return manifest, bundle, key
        raise fault

    def newest(self, handle, generations):
        """The newest manifest; the one before it, where it is still there, must be the one it follows from."""
        newest = generations[-1]
        manifest, bundle, key = self.manifest(handle, newest)
        need((manifest["previous"] is None) == (newest == 1), "a first manifest with one before it, or the reverse")
        if newest - 1 in generations:
            before = hashlib.sha256(self.read(f"m/{handle}/{newest - 1:016d}")).hexdigest()
            need(manifest["previous"] == before, f"generation {newest} does not follow from the one before")
        return manifest, bundle, key

    def table(self, manifest, bundle, key):
        name, generation = manifest["table"]["name"], manifest["table"]["generation"]
        sealed = self.read("t/" + name)
        need(hashlib.sha256(sealed).hexdigest() == name, "a table's SHA-256 is not its name")
        table, take = open_document(open_envelope("table", key, self.id + bundle + u64(generation), sealed))
        need(table["schema"] == "bae table 1", "a table of another schema")
        need(table["bundle"] == bundle.hex() and table["generation"] == generation, "a table of another bundle")
        need(table["chunks"] == -(-table["length"] // CHUNK), "a table's number of chunks")
        need(sum(file["length"] for file in table["files"]) == table["length"], "a table's file lengths")
        raw = take(table["chunks"] * 56)
        records = [(raw[at : at + 32], raw[at + 32 : at + 56]) for at in range(0, len(raw), 56)]
        for torrent in table["torrents"]:
            torrent["info"] = take(torrent["infoLength"])
            need(hashlib.sha1(torrent["info"]).hexdigest() == torrent["infoHash"], "an info dictionary's hash")
        take(None)
        return table, records

    def chunks(self, table, records, bundle, key):
        """The stream, chunk by chunk, without the padding of the last."""
        left = table["length"]
        for index, (name, salt) in enumerate(records):
            hexname = name.hex()
            sealed = self.read(f"c/{hexname[:2]}/{hexname}")
            need(hashlib.sha256(sealed).digest() == name, f"the SHA-256 of chunk {index} is not its name")
            need(sealed[5] == table["suite"] and sealed[8:32] == salt, f"header of chunk {index}")
            plaintext = open_chunk(key, self.id, bundle, index, sealed)
            need(not any(plaintext[left:]), "padding of the last chunk")
            yield plaintext[:left]
            left -= len(plaintext[:left])
