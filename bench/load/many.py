"""Many torrents of 300 pieces and 4 files in one libtorrent session, from resume data as its clients keep them.

    many.py prepare FOLDER COUNT ANNOUNCE   writes FOLDER/resume (each with its length before it) and FOLDER/hashes
    many.py serve FOLDER                    adds them all; then one line {"port", "seconds", "torrents"}; ends when stdin does

Content is not there: seeds are taken as whole, unchecked, as a client does after its own restart.
"""

import json
import os
import struct
import sys
import time

import libtorrent as lt

PIECES = 300
FILES = 4
PIECE_BYTES = 16384

SETTINGS = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True,
    "ssrf_mitigation": False,
    "listen_interfaces": "127.0.0.1:0",
    "alert_mask": int(lt.alert.category_t.status_notification),
    "alert_queue_size": 1_000_000,
}


def info_of(number):
    files = [{"length": PIECES * PIECE_BYTES // FILES, "path": [f"0{at + 1} - Track.flac"]} for at in range(FILES)]
    name = f"Artist {number % 1000} - Album {number} (1999) [FLAC]"
    return {"files": files, "name": name, "piece length": PIECE_BYTES, "pieces": os.urandom(20 * PIECES), "private": 1}


def prepare(folder, count, announce):
    with open(f"{folder}/resume", "wb") as resume, open(f"{folder}/hashes", "wb") as hashes:
        for number in range(1, count + 1):
            parameters = lt.add_torrent_params()
            parameters.ti = lt.torrent_info({"info": info_of(number), "announce": announce})
            parameters.save_path = folder
            parameters.trackers = [announce]
            managed = lt.torrent_flags.auto_managed | lt.torrent_flags.paused
            parameters.flags = parameters.flags & ~managed | lt.torrent_flags.seed_mode
            data = lt.write_resume_data_buf(parameters)
            resume.write(struct.pack(">I", len(data)) + data)
            hashes.write(parameters.ti.info_hash().to_bytes())


def saved(folder):
    with open(f"{folder}/resume", "rb") as resume:
        while length := resume.read(4):
            yield resume.read(struct.unpack(">I", length)[0])


def serve(folder):
    began = time.monotonic()
    session = lt.session(SETTINGS)
    asked = added = 0
    for data in saved(folder):
        parameters = lt.read_resume_data(data)
        # Their sizes, that is: nothing is there to be looked at.
        parameters.flags |= lt.torrent_flags.no_verify_files
        session.async_add_torrent(parameters)
        asked += 1
    while added < asked:
        if session.wait_for_alert(60_000) is None:
            raise RuntimeError(f"{added} of {asked} torrents came")
        added += sum(isinstance(alert, lt.add_torrent_alert) for alert in session.pop_alerts())
    seconds = time.monotonic() - began
    session.apply_settings({"alert_mask": 0})
    session.pop_alerts()
    print(json.dumps({"port": session.listen_port(), "seconds": seconds, "torrents": added}), flush=True)
    sys.stdin.read()
    os._exit(0)  # without a word to trackers, and without taking 50,000 torrents apart


if sys.argv[1] == "prepare":
    prepare(sys.argv[2], int(sys.argv[3]), sys.argv[4])
else:
    serve(sys.argv[2])
