"""One libtorrent session driven by JSON lines: commands on stdin, one answer line each on stdout.

First line in: {"address": "127.0.0.1", "settings": {...}}; answer: {"port": 12345}.
Commands: add, connect, status, peers, limit, remove, dht, quit. An answer is a JSON object; {"error": "..."} when a command failed.
The session ends when stdin does.
"""

import json
import sys

import libtorrent as lt

QUIET = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True,
    "ssrf_mitigation": False,
    "announce_to_all_tiers": True,
    "announce_to_all_trackers": True,
    "connection_speed": 200,
    "min_reconnect_time": 1,
    "in_enc_policy": int(lt.enc_policy.enabled),
    "out_enc_policy": int(lt.enc_policy.disabled),
    "alert_mask": int(lt.alert.category_t.error_notification),
}


def add(session, command):
    if "magnet" in command:
        parameters = lt.parse_magnet_uri(command["magnet"])
    else:
        parameters = lt.add_torrent_params()
        limits = {"max_pieces": 0x200000, "max_decoded_tokens": 3_000_000, "max_buffer_size": 20_000_000}
        parameters.ti = lt.torrent_info(command["torrent"], limits)
    parameters.save_path = command["folder"]
    flags = parameters.flags & ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    for name in ("dht", "lsd", "pex"):
        if not command.get(name):
            flags |= getattr(lt.torrent_flags, f"disable_{name}")
    if command.get("seed"):
        flags |= lt.torrent_flags.seed_mode
    if command.get("sequential"):
        flags |= lt.torrent_flags.sequential_download
    parameters.flags = flags
    handle = session.add_torrent(parameters)
    for host, port in command.get("peers", []):
        handle.connect_peer((host, port))
    return handle


def status(handle):
    state = handle.status()
    return {
        "progress": state.progress if state.has_metadata else 0,
        "seeding": state.is_seeding,
        "state": str(state.state),
        "uploaded": state.total_payload_upload,
        "downloaded": state.total_payload_download,
        "failed": state.total_failed_bytes,
        "peers": state.num_peers,
        "error": state.errc.message() if state.errc.value() else None,
    }


def run(session, handles, command):
    name = command["command"]
    if name == "add":
        handle = add(session, command)
        info_hash = str(handle.info_hash())
        handles[info_hash] = handle
        return {"infoHash": info_hash}
    if name == "dht":
        for host, port in command.get("nodes", []):
            session.add_dht_node((host, port))
        return {"nodes": session.status().dht_nodes}
    handle = handles[command["infoHash"]]
    if name == "connect":
        handle.connect_peer((command["host"], command["port"]))
        return {}
    if name == "status":
        return status(handle)
    if name == "peers":
        return {"peers": [{"address": list(p.ip), "client": str(p.client)} for p in handle.get_peer_info()]}
    if name == "limit":
        handle.set_upload_limit(command["uploadBytesPerSecond"])
        handle.set_download_limit(command["downloadBytesPerSecond"])
        return {}
    if name == "remove":
        session.remove_torrent(handle)
        del handles[command["infoHash"]]
        return {}
    raise ValueError(f"unknown command {name}")


def main():
    first = json.loads(sys.stdin.readline())
    address = first["address"]
    interface = f"[{address}]:0" if ":" in address else f"{address}:0"
    settings = {**QUIET, "listen_interfaces": interface, **first.get("settings", {})}
    session = lt.session(settings)
    while session.listen_port() == 0:
        alert = session.wait_for_alert(5000)
        if alert is None:
            raise RuntimeError("libtorrent does not listen")
        session.pop_alerts()
    print(json.dumps({"port": session.listen_port()}), flush=True)
    handles = {}
    for line in sys.stdin:
        try:
            answer = run(session, handles, json.loads(line))
        except Exception as error:  # told to the test, which fails with it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
        for alert in session.pop_alerts():
            print(alert.message(), file=sys.stderr, flush=True)


main()
