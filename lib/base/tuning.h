/* tuning.h - the time constants and limits of the library, each with its reason.
 *
 * Runs in: program, supervisor, worker.
 * Whatever waits, spins, looks again or gives up does it by a number from here. What the layout of
 * shared memory fixes (bits of a word, entries of a table) stands beside that layout.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PI_MS 1000000ull /* in nanoseconds */
#define PI_SECOND (1000 * PI_MS)

/* ---- os ---- */

/* Between two tries of a call that the kernel refuses for a moment, and between two looks where
 * nothing can wake us: short for a user, long for a processor. */
#define PI_RETRY_NS (1 * PI_MS)
/* So a call without memory fails after a tenth of a second ... */
#define PI_MAX_RETRIES 100
/* ... but the byte of a pollable is sent by no later call: ten seconds. */
#define PI_MAX_POLLABLE_RETRIES 100
/* Names of shared memory objects that are tried: a clash is rare, and never meant. */
#define PI_MAX_NAMES 100
/* Posts of a semaphore. No code makes more: a larger number is damage, and counts as none. */
#define PI_MAX_POSTS 1000000u
/* The stack of a thread of ours. musl's own default is too small for the program's callbacks. */
#define PI_MIN_STACK ((size_t)1 << 20)
/* What counts of the limit of the first thread's stack: the kernel leaves it more than that. */
#define PI_MAX_STACK ((uintptr_t)64 << 20)
/* A stack with less left is short: a nested task and a signal handler need less than half. */
#define PI_STACK_MARGIN ((uintptr_t)128 << 10)
/* The stack of the handler of crashes: the kernel's frame of a signal (11 KiB on the largest
 * processors) and the unwinder, twice. */
#define PI_CRASH_STACK ((size_t)64 << 10)
/* What the unwinder may take: a thousand times what it needs. */
#define PI_CRASH_SECONDS 1
/* The path of a control group. A longer one limits nothing. */
#define PI_MAX_PATH 1024
/* Descriptors that are left over when passed ones are kept: for one message, and for all else that
 * the supervisor opens. */
#define PI_SPARE_DESCRIPTORS 32

/* ---- core ---- */

/* Units with memory that are looked at before one is taken that has none. */
#define PI_WARM_UNITS 64u
/* Units that are looked at before the end of the arena is raised, which costs a walk over pages. */
#define PI_ARENA_LOOKS 4096u
/* Units that are looked at for a span with a free block, before a new span is made. */
#define PI_SPAN_LOOKS 64u
/* Each time out of that many, a worker looks for a task in the lane LOW first: so such a task
 * waits, but not for ever, and HIGH and NORMAL have nearly all of the workers' time. */
#define PI_CLAIMS_PER_LOW 32u
/* Workers of one ring: more of them would take turns at one cache line. */
#define PI_WORKERS_PER_RING 4u
/* Slots in a row whose tasks go into the same ring: their cells are one cache line. A worker takes
 * as many tasks from one ring before it goes on to the next, so that it passes over none. */
#define PI_RING_TURN 8u
/* Idle units that one call may hold: others may need the rest meanwhile. */
#define PI_MAX_IDLE_UNITS 256u

/* ---- pool ---- */

/* A task of some microseconds is answered before a sleeper could be woken. */
#define PI_SPIN_NS (20 * PI_MS / 1000)
/* A spin ends then though the clock stands still: far more rounds than PI_SPIN_NS allows. */
#define PI_MAX_SPIN_ROUNDS 1000
/* Probes of a round, between two looks at the clock. */
#define PI_SPIN_PROBES 16
/* Calls that do not wait, between two looks at the supervisor: a look is a system call. */
#define PI_CALLS_PER_CHECK 64u
/* posse_destroy wakes callers that have not left yet that often. */
#define PI_CALLERS_WAIT_NS (50 * PI_MS / 1000)
/* A blocked caller verifies shared memory that often. Tests set it: see pi_verify_interval_ns. */
#define PI_VERIFY_NS PI_SECOND
/* Looks, each after PI_VERIFY_NS, that find the same before a task counts as stuck. */
#define PI_STUCK_CHECKS 6u
/* Tasks for which descriptors are held at a time: far more than a usual RLIMIT_NOFILE allows. */
#define PI_MAX_HELD 4096u
/* A socket of a process has ended, or the system tells nothing more of the process: the time within
 * which it is dead, if it dies. It closes its sockets one by one. */
#define PI_DEATH_MS 500
/* The supervisor notes for four tasks on one stack when their grace is over, and that it has sent
 * SIGTERM. If more were asked to stop, it notes those that end first. The grace of the others
 * begins when it can note them. */
#define PI_MAX_ASKED 4
/* A task that waits for another one and is about to get SIGTERM looks every 0.1 ms whether the
 * supervisor has sent it. */
#define PI_SIGTERM_LOOK_NS (PI_MS / 10)
/* Tasks on one stack. A longer chain is damage. */
#define PI_MAX_NESTED 1000000u
/* Tries to take a block that was found free: others may take it first. */
#define PI_MAX_BLOCK_TRIES 100
/* Bytes of each area that a core dump of a worker shows: a full one would fill the disk. */
#define PI_DUMPED_BYTES ((size_t)4 << 20)
/* The slots at first, and at most those that one growth adds. */
#define PI_FIRST_SLOTS 256u
#define PI_MAX_NEW_SLOTS 4096u
#define PI_NEW_PARKERS 64u
/* A ring's memory that is just being given back is waited for: a second, in steps of
 * PI_RETRY_NS. */
#define PI_MAX_RING_WAITS 1000
/* Bytes of blocks, and groups of slots, that an idle executor keeps: the next tasks need some. */
#define PI_KEPT_BYTES ((uint64_t)2 << 20)
#define PI_KEPT_GROUPS 16u
/* Between two rounds of a trim, and without a task before the first: a short pause is not idle. */
#define PI_QUIET_NS (100 * PI_MS)
/* Rounds for one request. The ring needs five. */
#define PI_MAX_TRIM_ROUNDS 8
/* Groups and units for each part of a round: the supervisor looks at workers between two parts, so
 * a part takes less than a millisecond. */
#define PI_GROUPS_AT_ONCE 512u
#define PI_UNITS_AT_ONCE 64u

/* ---- worker ---- */

/* A worker that would have slept shorter spins before its next sleep. */
#define PI_SHORT_SLEEP_NS (200 * PI_MS / 1000)
/* Looks of a thread whose task's other thread writes a note: that takes less than a microsecond,
 * unless it has no processor. */
#define PI_MAX_NOTE_WAITS 1000
/* Reads of what a task tells, until one is whole: the task must write in each. More is damage. */
#define PI_MAX_FEED_READS 100000
/* A progress bar is drawn ten times a second, as wide as the terminal, or a line of a log. */
#define PI_BAR_INTERVAL_NS (100 * PI_MS)
/* The time between two counts of all tasks of an executor, as a multiple of what one took; and at
 * most. */
#define PI_BAR_COUNT_SHARE 100
#define PI_MAX_BAR_REST_NS PI_SECOND
#define PI_BAR_WIDTH 80
/* Futures whose own progress the bar adds up: each costs some 50 ns each time. */
#define PI_MAX_BAR_PARTS 256
/* Bytes of a task's messages that nobody has read: by default, and at most. */
#define PI_MESSAGE_MEMORY ((size_t)16 << 10)
#define PI_MAX_MESSAGE_MEMORY ((size_t)1 << 30)
/* Between two looks of a worker that waits to be killed. */
#define PI_KILL_WAIT_NS (100 * PI_MS)

/* Room for an argument in a process that was forked ahead. It takes no memory until it is used. */
#define PI_SPARE_ARG ((size_t)64 << 10)
/* Room there beyond options.max_result: a message, or how one item of a map has failed. */
#define PI_SPARE_RESULT ((size_t)512)
/* The largest result of a task in a process of its own, unless the program says it. */
#define PI_FRESH_RESULT ((size_t)1 << 20)
/* Looks of a worker, while such a process runs, whether the task is asked to stop: often enough for
 * a person; and more often where the task has a grace, after which it is killed. */
#define PI_FRESH_LOOK_NS (100 * PI_MS)
#define PI_GRACED_LOOK_NS (5 * PI_MS)
/* Looks of a worker without a place, while the executor drains, whether a task is pending. */
#define PI_PLACE_LOOK_NS (100 * PI_MS)
/* Processes that end before they have begun the task. Only a kill from outside does that. */
#define PI_MAX_SPARES 5

/* ---- supervisor ---- */

/* The rest before the next start after one that failed; doubled each time, but not more often than
 * that. Tests set the first: see pi_retry_ns. */
#define PI_FIRST_RETRY_NS (1 * PI_MS)
#define PI_MAX_DOUBLINGS 10
/* Starts that failed in a row, and for how many times the first rest, before the executor breaks:
 * the system may be short of processes for a moment. */
#define PI_MAX_START_FAILURES 10
#define PI_MIN_FAILING 500
/* Initializers that failed in a row, before the executor breaks. */
#define PI_MAX_INIT_FAILURES 3
/* Between two looks at a task with limits of memory or processor time: a task that malloc does not
 * hold back takes some hundred MB meanwhile; and at least that, so a busy one is not looked at all
 * the time. */
#define PI_LIMITS_CHECK_NS (50 * PI_MS)
#define PI_LIMITS_LEAST_NS (1 * PI_MS)
/* Between SIGTERM and SIGKILL: time for the handler that a task has set. */
#define PI_GRACE_NS PI_SECOND
/* Between two looks at a program without a pidfd. */
#define PI_PROGRAM_CHECK_NS (500 * PI_MS)
/* Requests of the program, and of workers, that are answered in a row; and how often, before the
 * next round. */
#define PI_MAX_SERVED 16
/* The program tells the supervisor again to end, and after that time closes its socket. */
#define PI_TELL_AGAIN_MS 500
#define PI_MAX_JOIN_MS 10000
/* Walks of the ring for one count of its backlog, until nothing happens meanwhile; and walks of a
 * worker's stack of tasks, until the worker does not move meanwhile. */
#define PI_MAX_BACKLOG_WALKS 100
#define PI_MAX_STACK_WALKS 1000

/* ---- public functions ---- */

/* A thousand executors of that size fit into the address space of a process. */
#define PI_MAX_DEFAULT_BYTES ((uint64_t)64 << 30)
/* A call on a queue waits that long beyond its own time for others inside it, which may be stopped;
 * a call without a time of its own that long. */
#define PI_QUEUE_PATIENCE_NS PI_SECOND
#define PI_QUEUE_FINISH_NS (5 * PI_SECOND)
/* A task's memory at least: malloc takes some hundred KB at a time. */
#define PI_MIN_TASK_MEMORY ((size_t)1 << 20)
/* Tasks of posse_submit_many that go in together: the more, the longer the first one waits for the
 * others to be written. That takes some microseconds, */
#define PI_BATCH_TASKS 64u
/* also if arguments are large. */
#define PI_BATCH_BYTES ((size_t)64 << 10)
/* Chunks of an array for each worker: fewer leave workers idle at the end. */
#define PI_CHUNKS_PER_WORKER 4
/* Chunks under way for each worker, unless the program says it. */
#define PI_AHEAD_PER_WORKER 2
/* Of copied items in a chunk: they should stay in the cache. */
#define PI_CHUNK_BYTES ((size_t)192 << 10)
/* A source whose last chunks came that fast is asked without looking at results in between. */
#define PI_QUICK_NS (1 * PI_MS)
#define PI_QUICK_CHUNKS 64
/* So long a map tries to submit a chunk while a worker may be about to free memory: when no chunk
 * is on its way, and a part of a lost one. */
#define PI_MAP_PATIENCE_NS (1 * PI_SECOND)
#define PI_SPLIT_PATIENCE_NS (20 * PI_MS)
/* Chunks behind a lost one that an ordered map splits at the same time, if they are lost, too. */
#define PI_SPLIT_AHEAD 64

/* What a task may write to a stderr that is kept: as much as the log of one task may be. More than
 * that is lost. */
#define PI_MAX_OUTPUT (1 << 20)
/* The file has so much memory between tasks at most. */
#define PI_KEPT_OUTPUT (1 << 16)

/* Events that a trace keeps of each worker, if options.max_memory allows it; and at least. */
#define PI_MAX_TRACE_EVENTS 4096u
#define PI_MIN_TRACE_EVENTS 64u
/* Workers of which a trace has events: twice max_workers, and at least these. */
#define PI_MIN_TRACE_WORKERS 8u
/* Each worker that runs tasks counts for a trace at most so often what waits and what memory there
 * is; and whenever it goes to sleep. */
#define PI_TRACE_COUNT_NS (PI_MS / 10)

/* From here on a sealed worker has the descriptors by which it measures its memory. Usual limits of
 * descriptors are 1024 and more. */
#define PI_KEPT_FD 900

/* ---- posse-top ---- */

/* Between two looks, unless --interval says it; and at least that: a look reads all of /proc. */
#define PI_TOP_INTERVAL_NS PI_SECOND
#define PI_TOP_LEAST_NS (50 * PI_MS)
#define PI_TOP_MAX_SECONDS 86400
/* Of a file of /proc, in bytes: 600,000 mappings, ten times what the kernel allows by default. */
#define PI_TOP_MAX_FILE ((size_t)64 << 20)
/* Executors of a program that are shown. */
#define PI_TOP_MAX_EXECUTORS 1000u
/* Symbols of a file in which the name of a function is searched. */
#define PI_TOP_MAX_SYMBOLS 4000000u

/* ---- remote ---- */

/* The largest argument or result that travels, and the largest list of modules. */
#define PI_REMOTE_BYTES ((uint64_t)64 << 30)
#define PI_REMOTE_BYTES_TEXT "64 GiB"
#define PI_REMOTE_MODULES ((uint64_t)1 << 20)
/* The arguments of the initializer and the finalizer together, and what else is told of a pool. */
#define PI_REMOTE_SETUP ((uint64_t)64 << 20)
/* Messages of one task that nobody has read: the program's feed is twice as large. */
#define PI_REMOTE_MESSAGES (PI_MAX_MESSAGE_MEMORY / 2)
/* An agent waits 50 us for the end of a task that has just begun, and serves no other place. If the
 * task takes longer, the agent does not wait for the next 15 tasks of that place. */
#define PI_AGENT_SPIN_NS ((int64_t)50000)
#define PI_AGENT_NO_SPINS 15u
/* An agent looks that often how far a task is that has told something. */
#define PI_PROGRESS_LOOK_MS 50
/* The first memory for what arrives; it doubles as more arrives. */
#define PI_REMOTE_FIRST_BYTES ((size_t)64 << 10)
/* The memory for a result of that size is taken before it arrives. */
#define PI_REMOTE_AT_ONCE ((size_t)16 << 20)
/* From accept until a connection is a place: else a stranger could hold a proxy. */
#define PI_GREETING_MS 5000
/* From accept until JOIN is whole, if a part of it has come and another connection waits. */
#define PI_JOIN_MS 250
/* A proxy whose task runs elsewhere looks that often whether the task is asked to stop. */
#define PI_CANCEL_LOOK_MS 50
/* A node that answers nothing for that long is lost, unless the program says it. */
#define PI_SILENCE_MS 10000
/* The peer of a large message may read nothing while the system gives it memory. It gets one
 * millisecond more for each 50,000 bytes. */
#define PI_REMOTE_BYTES_PER_MS ((uint64_t)50000)
/* An agent tries again to connect after that time, and ends when nobody has accepted it for so
 * long. */
#define PI_CONNECT_AGAIN_MS 50
#define PI_CONNECT_MS 700
/* The same while the network does not lead there: it may come back. */
#define PI_UNREACHABLE_MS 60000
/* An address that has not answered for that long is not there: the host may have another one. */
#define PI_CONNECTING_MS 2000
/* So long an agent that ends waits until all is written. */
#define PI_SETTLE_MS 5000
/* So long an agent waits at its end for finalizers. */
#define PI_FINALIZERS_MS 60000
/* Entries in a list of nodes. */
#define PI_MAX_NODES ((size_t)1000)
/* Of a file of hosts: the bytes of a line, and lines. */
#define PI_HOST_LINE 1024
#define PI_HOST_LINES 1000000
/* So long the end of a pool waits at most until the file with the token is removed. */
#define PI_KEEPER_MS 10000
/* Until SIGTERM, and from there to SIGKILL, for launchers; and between two looks. */
#define PI_LAUNCHER_GRACE_MS 3000
#define PI_LAUNCHER_LOOK_MS 20

/* ---- posse-relay ---- */

/* The bytes of one message, and what a connection has at most on its way in each direction. */
#define PI_RELAY_CHUNK ((uint32_t)64 << 10)
#define PI_RELAY_WINDOW ((uint32_t)256 << 10)
/* A rank naps a quarter of the time since something last moved, at most the first; then a
 * thousandth of it, at most the second; less than the least is no nap. */
#define PI_RELAY_NAP_NS (1 * PI_MS)
#define PI_RELAY_IDLE_NAP_NS (8 * PI_MS)
#define PI_RELAY_LEAST_NAP_NS (PI_MS / 50)
/* Told to stop, an agent has that long to end before it is killed: for its finalizers. */
#define PI_RELAY_GRACE_MS 2500
/* Descriptors that posse-relay and MPI need beside those of connections. */
#define PI_RELAY_OTHER_FDS 256
