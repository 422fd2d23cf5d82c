"""How a gateway stops, whenever the signal comes."""

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from serving.gateway.app import create_app
from serving.gateway.gateway import MOVE_SECONDS, Gateway
from serving.gateway.server import GatewayServer, listen
from serving.gateway.settings import Settings
from serving.gateway.telemetry.metrics import Metrics

WAIT_SECONDS = 20


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("sign", ["| pydantic", "| uvicorn", "| serving.gateway.app", "http://"])
def test_a_signal_while_it_starts_ends_it_without_a_traceback(sign, name):
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "serving.gateway"],
        env={"KAKEAI_PORT": "0", "PYTHONPATH": ":".join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert any(sign in line.replace("  ", "") for line in process.stderr)  # it has come so far
        process.send_signal(name)
        _, errors = process.communicate(timeout=WAIT_SECONDS)
    finally:
        process.kill()
    assert "Traceback" not in errors
    assert process.returncode == 0


def test_a_signal_before_the_application_has_started_stops_the_server(gateway_loop, model):
    settings = Settings(model_server=model.address, port=0)
    app = create_app(settings)
    server = GatewayServer(app, settings)
    server.handle_exit(signal.SIGTERM, None)
    serving = asyncio.run_coroutine_threadsafe(server.serve([listen(settings)]), gateway_loop)
    serving.result(WAIT_SECONDS)
    assert app.state.gateway.draining


def _in_a_gateway(loop, act):
    async def run():
        gateway = Gateway(Settings(), Metrics())
        try:
            return await act(gateway)
        finally:
            await gateway.close()

    return asyncio.run_coroutine_threadsafe(run(), loop).result(WAIT_SECONDS)


def test_a_session_whose_time_is_up_in_the_moment_of_the_move_does_not_stop_it(gateway_loop):
    async def act(gateway):
        moved = []
        deadline = asyncio.timeout(None)
        gateway.listening.add(deadline)
        with suppress(TimeoutError):
            async with deadline:
                deadline.reschedule(0.0)
                # After the timer has fired and before its task learns of it:
                asyncio.get_running_loop().call_soon(lambda: moved.append(gateway.move_sessions()))
                await asyncio.Event().wait()
        return moved

    assert _in_a_gateway(gateway_loop, act) == [None]


def test_sessions_move_one_after_another(gateway_loop):
    async def act(gateway):
        async with asyncio.timeout(60) as one, asyncio.timeout(60) as other:
            gateway.listening |= {one, other}
            gateway.move_sessions()
            first = one.when(), other.when()
            gateway.move_sessions()  # the server's every tick
            assert first == (one.when(), other.when())
            return first

    one, other = _in_a_gateway(gateway_loop, act)
    assert 0 < abs(one - other) <= MOVE_SECONDS
