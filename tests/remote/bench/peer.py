"""What bench.c measures, with MPIPoolExecutor of mpi4py.futures: mpirun -n 3 python3 -m
mpi4py.futures peer.py [idle]. See compare.py."""
import statistics
import sys
import time

from mpi4py.futures import MPIPoolExecutor

TASKS = 5000
TRIPS = 500
RUNS = 10
SIZE = 16 << 20


def empty_task(_):
    return None


def giving_task(size):
    return bytes(size)


def times(pool, function, argument, count):
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        pool.submit(function, argument).result()
        seconds.append(time.perf_counter() - begin)
    return seconds


def measure(pool):
    begin = time.perf_counter()
    futures = [pool.submit(empty_task, None) for _ in range(TASKS)]
    for future in futures:
        future.result()
    print(f"tasks/s      {TASKS / (time.perf_counter() - begin):.0f}")
    trips = times(pool, empty_task, None, TRIPS)
    print(f"round trip   {1e6 * statistics.median(trips):.1f} us (median)")
    given = times(pool, empty_task, bytes(SIZE), RUNS)
    taken = times(pool, giving_task, SIZE, RUNS)
    print(f"MB/s         {RUNS * 16 / sum(given):.0f} of arguments, "
          f"{RUNS * 16 / sum(taken):.0f} of results")


if __name__ == "__main__":
    with MPIPoolExecutor(max_workers=2) as executor:
        for one in [executor.submit(time.sleep, 0.1) for _ in range(4)]:
            one.result()
        if "idle" in sys.argv:
            print("idle", flush=True)
            time.sleep(3)
        else:
            measure(executor)
