"""`python -m antrean.demo`: run the demo registration site until SIGTERM or SIGINT."""

import argparse
import asyncio
import logging
import signal
import sqlite3
import sys
from pathlib import Path

from aiohttp import web

from antrean.demo.site import Settings, create_site

# Seconds for requests under way when the site is told to stop.
SHUTDOWN_SECONDS = 5.0


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m antrean.demo", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on; 0 takes a free one")
    parser.add_argument("--site", help="this site's scheme and host as browsers reach it")
    parser.add_argument("--gateway", default="http://127.0.0.1:8080", help="the waiting room, for browsers")
    parser.add_argument("--gateway-internal", help="the waiting room as this machine reaches it")
    parser.add_argument("--event", default="prakerja", help="slug of the event")
    parser.add_argument("--data-dir", type=Path, default=Path(".antrean/demo"), help="database and outbox")
    parser.add_argument("--origin-key-file", type=Path, help="file that holds this site's key at the gateway")
    parser.add_argument("--insecure-cookies", action="store_true", help="for plain HTTP off loopback only")
    parser.add_argument("--capacity", type=_at_least_one, default=100, help="people served at once")
    parser.add_argument("--work-seconds", type=_not_negative, default=0.05, help="cost of one registration")
    return parser.parse_args(arguments)


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that these options mean. Raises: OSError when the key file cannot be read."""
    key_file: Path | None = options.origin_key_file
    return Settings(
        event=options.event,
        gateway=options.gateway,
        gateway_internal=options.gateway_internal,
        site=options.site,
        data_dir=options.data_dir,
        origin_key=key_file.read_text(encoding="utf-8").strip() if key_file else "",
        capacity=options.capacity,
        work_seconds=options.work_seconds,
        secure_cookies=not options.insecure_cookies,
    )


async def serve(settings: Settings, host: str, port: int) -> None:
    """Run the site until it is told to stop; print its address once it can be reached."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(create_site(settings), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        print(f"listening on http://{host}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Run; 0 after a clean stop, 1 with a sentence on stderr when the site cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options = parse()
    try:
        asyncio.run(serve(settings_of(options), options.host, options.port))
    except (OSError, ValueError, sqlite3.Error) as error:
        print(f"the demo site cannot run: {error}", file=sys.stderr)
        return 1
    return 0


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
