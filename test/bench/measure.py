"""Runs a command and prints what it cost as one line of JSON: measure.py RESULT COMMAND...

wait4 tells the CPU time and peak memory of the process and its children exactly; Node cannot ask for
them. The command's stdout and stderr go to RESULT.stdout and RESULT.stderr. `mainThreadS` is the CPU
time of its main thread (in Node: JavaScript), looked at every 20 ms, hence up to 20 ms short; -1 where
the system does not tell.
"""

import json
import os
import sys
import threading
import time


def main_thread_seconds(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as stat:
            return int(stat.read().split()[0]) / 1e9
    except (OSError, IndexError, ValueError):
        return -1


def main():
    result, *command = sys.argv[1:]
    with open(f"{result}.stdout", "wb") as out, open(f"{result}.stderr", "wb") as err:
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, err.fileno(), 2)]
        start = time.perf_counter()
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    thread_s = -1
    ended = threading.Event()

    def watch():
        nonlocal thread_s
        while not ended.wait(0.02):
            thread_s = max(thread_s, main_thread_seconds(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    ended.set()
    watcher.join()
    print(
        json.dumps(
            {
                "exitCode": os.waitstatus_to_exitcode(status),
                "wallS": wall,
                "cpuS": usage.ru_utime + usage.ru_stime,
                # Kilobytes on Linux, bytes on macOS.
                "peakBytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
                "mainThreadS": thread_s,
            }
        )
    )


main()
