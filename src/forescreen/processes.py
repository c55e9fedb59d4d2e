"""Worker processes that know when to leave and do not fight over memory.

Image work runs in fresh ("spawn") processes. A worker of a killed parent would wait for work for ever,
because it holds both ends of its own queue: here it watches its parent and ends with it. It also keeps
freed memory, without which the page faults of fresh arrays cost more than the work on them.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process
from threading import Thread

import numpy as np


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of `workers` fresh processes that end when their parent does, however it ends."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=enter_worker)


def enter_worker() -> None:
    """What each worker does first."""
    keep_freed_memory()
    parent = parent_process()
    if parent is None:
        return
    gone = parent.sentinel

    def watch() -> None:
        connection.wait([gone])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def keep_freed_memory() -> None:
    """Let the C library keep up to 62 MiB of freed memory instead of handing it back after each picture.

    Freeing one block near 32 MiB raises glibc's thresholds for good (mallopt(3), M_MMAP_THRESHOLD); no
    page of it is ever touched.
    """
    np.empty(31 << 20, np.uint8)
