"""Serves the page: to this machine alone unless asked, one drawing at a time."""

import errno
import os
import socket
from typing import Any

from pdm_tf.config import WebConfig
from pdm_tf.errors import SettingError
from pdm_tf.progress import say
from pdm_tf.web.page import build_page
from pdm_tf.web.tried import Limits, open_tried


def serve(config: WebConfig) -> None:
    """Opens the models and serves the page until Ctrl-C.

    Raises:
      InputError: no model, a damaged one, or an address that cannot be listened on.
    """
    page, address = start(config)
    say(f"the page is at {address}; Ctrl-C ends it")
    try:
        page.block_thread()
    finally:
        page.close(verbose=False)


def start(config: WebConfig) -> tuple[Any, str]:
    """The page, served from threads of its own, and its address.

    Raises:
      InputError: see `serve`.
    """
    port = find_port(config.host, config.port)
    trust = config.trust_model
    first = open_tried("model", config.model, trust, config.circuit)
    models = [first, *(open_tried("beside", path, trust) for path in config.beside)]
    page = build_page(models, Limits(config.max_pictures, config.max_steps))
    return page, launch(page, config, port)


def launch(page: Any, config: WebConfig, port: int) -> str:
    """Serves a page from threads of its own; returns its address."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import gradio as gr

    page.queue(max_size=config.max_waiting, default_concurrency_limit=1)
    _, address, _ = page.launch(
        server_name=config.host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        max_file_size=f"{config.max_upload}mb",
        footer_links=[],
        # Fonts of the visitor's machine: nothing is fetched from elsewhere.
        theme=gr.themes.Base(font="system-ui", font_mono="monospace"),
    )
    return address


def find_port(host: str, port: int) -> int:
    """The port, where it can be listened on; one that is free in the place of 0.

    Raises:
      SettingError: it is taken, or the address is not of this machine.
    """
    try:
        family = socket.getaddrinfo(host, None)[0][0]
    except OSError as error:
        raise SettingError("host", host, f"no address ({error.strerror})") from None
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                remedy = "no address of this machine; 0.0.0.0 stands for all it has"
                raise SettingError("host", host, remedy) from None
            remedy = f"cannot be listened on ({error.strerror}); `port=0` takes any"
            raise SettingError("port", port, remedy, host=host) from None
        return listener.getsockname()[1]
