#!/usr/bin/python3
"""Rebuilds bundles from a library's objects and one key, with the second reader of docs/format.md.

    decode.py --key library.key --store DIR OUT   OUT/<bundle id>.stream (its bytes) and OUT/<bundle id>.json (its files)
    decode.py --vectors DIR OUT                   the same for test/vectors, and checks all of them

Ends with 0 when all is right, with 1 and one line when not.
"""

import argparse
import hashlib
import hmac
import json
import os
import sys

from reader import CHUNK, HEADER, SEGMENT, TAG, Fault, Library, need, open_chunk, open_envelope, read_key_file, seal_envelope, u64


def bdecode(data, at=0):
    """A value of bencode and the offset after it."""
    lead = data[at : at + 1]
    if lead == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if lead in (b"l", b"d"):
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = bdecode(data, at)
            items.append(item)
        return (items if lead == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


class PieceCheck:
    """Checks a stream against the piece hashes of one info dictionary (BEP 3)."""

    def __init__(self, info):
        value, _ = bdecode(info)
        self.length = value[b"piece length"]
        self.hashes = value[b"pieces"]
        self.buffer = b""
        self.done = 0

    def feed(self, data, last=False):
        self.buffer += data
        while len(self.buffer) >= self.length or (last and self.buffer):
            piece, self.buffer = self.buffer[: self.length], self.buffer[self.length :]
            right = self.hashes[self.done * 20 : self.done * 20 + 20]
            need(hashlib.sha1(piece).digest() == right, f"piece {self.done} of a torrent")
            self.done += 1
        need(not last or self.done * 20 == len(self.hashes), "number of pieces of a torrent")


def rebuild(library, out):
    """Writes every bundle's stream and description; returns the descriptions."""
    os.makedirs(out, exist_ok=True)
    described = []
    for handle, generations in library.handles().items():
        manifest, bundle, key = library.newest(handle, generations)
        table, records = library.table(manifest, bundle, key)
        checks = [PieceCheck(torrent["info"]) for torrent in table["torrents"] if torrent["extents"] is None]
        digest = hashlib.sha256()
        with open(os.path.join(out, bundle.hex() + ".stream"), "wb") as stream:
            for part in library.chunks(table, records, bundle, key):
                stream.write(part)
                digest.update(part)
                for check in checks:
                    check.feed(part)
        for check in checks:
            check.feed(b"", last=True)
        description = {
            "bundle": bundle.hex(),
            "generation": manifest["generation"],
            "length": table["length"],
            "sha256": digest.hexdigest(),
            "chunks": [name.hex() for name, _ in records],
            "files": table["files"],
            "torrents": [
                {"infoHash": one["infoHash"], "info": one["info"].hex(), "extents": one["extents"]}
                for one in table["torrents"]
            ],
            "settings": manifest["torrents"],
            "releases": manifest["releases"],
        }
        with open(os.path.join(out, bundle.hex() + ".json"), "w", encoding="utf-8") as file:
            json.dump(description, file, ensure_ascii=False, indent=2)
        described.append(description)
    return described


# Vectors


def pattern(length, seed):
    return bytes((at * 31 + at // 256 * 17 + seed) & 255 for at in range(length))


def check_chunks(vectors):
    for vector in vectors:
        key, library, bundle, salt = (bytes.fromhex(vector[name]) for name in ("bundleKey", "libraryId", "bundleId", "salt"))
        plaintext = pattern(**vector["content"]).ljust(CHUNK, b"\0")
        binding = library + bundle + u64(vector["chunkIndex"])
        sealed = seal_envelope("chunk", key, binding, vector["suite"], salt, plaintext)
        need(sealed[:HEADER].hex() == vector["header"], "header of a chunk vector")
        ends = [HEADER + (n + 1) * (SEGMENT + TAG) for n in range(4)]
        need([sealed[end - TAG : end].hex() for end in ends] == vector["tags"], "tags of a chunk vector")
        need(hashlib.sha256(sealed).hexdigest() == vector["name"], "name of a chunk vector")
        need(open_chunk(key, library, bundle, vector["chunkIndex"], sealed) == plaintext, "a chunk vector opened")
        refused(lambda: open_chunk(key, library, bundle, vector["chunkIndex"] + 1, sealed), "wrong key")
        refused(lambda: open_chunk(key, library, bundle, vector["chunkIndex"], sealed[:-1] + b"?"), "corrupt")


def check_pieces(vectors):
    for vector in vectors:
        key, library, bundle, salt = (bytes.fromhex(vector[name]) for name in ("bundleKey", "libraryId", "bundleId", "salt"))
        plaintext = pattern(**vector["content"])
        binding = library + bundle + u64(vector["number"])
        sealed = seal_envelope("piece", key, binding, 1, salt, plaintext)
        need(hashlib.sha256(sealed).hexdigest() == vector["sha256"], "a piece vector")
        need(vector.get("object", sealed.hex()) == sealed.hex(), "a piece vector's object")
        need(open_envelope("piece", key, binding, sealed) == plaintext, "a piece vector opened")


def refused(call, reason):
    try:
        call()
    except Fault as fault:
        need(fault.reason == reason, f"refused as {fault.reason}, not as {reason}")
        return
    raise Fault("corrupt", f"not refused as {reason}")


def load(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


def check_vectors(folder, out):
    check_chunks(load(folder, "chunks.json"))
    check_pieces(load(folder, "pieces.json"))
    library = Library(os.path.join(folder, "library"), read_key_file(os.path.join(folder, "library.key")))
    known = load(folder, "keys.json")
    need(library.id.hex() == known["libraryId"], "library id")
    need(library.keys["masters"][0].hex() == known["masterKey"], "master key")
    need(library.keys["naming"].hex() == known["namingKey"], "naming key")
    bundle = bytes.fromhex(known["bundleId"])
    need(hmac.new(library.keys["naming"], bundle, "sha256").hexdigest() == known["handle"], "handle")
    described = {one["releases"][0]["title"]: one for one in rebuild(library, out)}
    album, odd = described["Generation 2"], described["Generation 1"]
    content = pattern(300001, 1) + bytes(27679) + pattern(500000, 2)
    need(album["sha256"] == hashlib.sha256(content).hexdigest(), "content of the album")
    need(odd["sha256"] == hashlib.sha256(b"\xba").hexdigest(), "content of the one-byte bundle")
    seeding = {"seeding": True, "cacheMode": "on-demand", "uploadBytesPerSecond": 1000000, "downloadBytesPerSecond": 0}
    need([one["seeding"] for one in album["settings"]] == [seeding], "how the album is seeded")
    need(odd["torrents"][1]["extents"] == [[0, 1, odd["bundle"], 0], [1, 9, None, 0]], "extents")


def main():
    parser = argparse.ArgumentParser(description="Reads a bae library from its objects and one key.")
    parser.add_argument("--key", help="library.key")
    parser.add_argument("--store", help="directory with the library's objects")
    parser.add_argument("--vectors", help="directory with the test vectors")
    parser.add_argument("out", help="folder for what is rebuilt")
    options = parser.parse_args()
    try:
        if options.vectors:
            check_vectors(options.vectors, options.out)
            print("vectors: all right")
        else:
            if not (options.key and options.store):
                parser.error("--key and --store, or --vectors")
            described = rebuild(Library(options.store, read_key_file(options.key)), options.out)
            print(f"rebuilt {len(described)} bundles, {sum(one['length'] for one in described)} bytes")
    except Fault as fault:
        sys.exit(str(fault))


if __name__ == "__main__":
    main()
