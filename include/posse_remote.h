/* posse_remote.h - a pool whose tasks run on many machines: libposse-remote.
 *
 *     int main(int argc, char **argv)
 *     {
 *         posse_remote_main(argc, argv);
 *         posse_remote_options remote = {.struct_size = sizeof remote,
 *                                        .launcher = POSSE_LAUNCH_SSH, .nodes = "a:8,b:8"};
 *         posse_executor *pool;
 *         if (posse_remote_create(NULL, &remote, &pool) == POSSE_OK) {
 *             ... all of posse.h, as with any pool
 *
 * Tasks run in agents: processes of the same program on the nodes, each with a local pool. A place
 * of an agent is a worker of this pool. What a node does to a task, the task's future tells:
 *
 *   a task crashes        POSSE_WORKER_LOST, or another attempt, with the real signal and pid, and
 *                         the node in the message
 *   an agent or a node    its running tasks are lost with SIGHUP, or run again; if it is idle,
 *   dies, or is silent    nothing is lost, but what is sent to a silent node before it counts as
 *                         lost. An agent that comes back, or a spare one, replaces it
 *   the program dies      tasks are killed at once, and all agents end, most often within a second
 *   the network is        after silence_ms the tasks are killed; an agent that hears nothing more
 *   silent for good       tries for another minute, as the network may come back, and ends
 *   no node is there      tasks wait. If the launcher has ended and no agent ever came, the
 *                         executor is broken, with the launcher's words. A command that leaves a
 *                         process with its stderr has not ended while that lives
 *
 * A program and its libraries must be the same build on all nodes, at the same paths; an agent of
 * another build is refused. A relative path is taken from the working directory that the program
 * has in posse_remote_create. Tasks find the memory of the agent as it was when it called
 * posse_remote_main, not the program's. They have no shared memory, locks, queues or descriptors of
 * the program (see posse_runner.h).
 *
 * posse_task_executor and posse_task_worker are those of the agent's own pool, with options of its
 * own but for those that are named below. So what a task submits runs in its agent. The program
 * neither counts it nor waits for it. A task that needs the result must wait for it: when the agent
 * ends, such tasks end too. While they keep the workers of an agent busy, the next task of a place
 * waits there, and counts as running.
 *
 * A task fails, with words, if there is no memory for its argument in its agent, or for a message
 * or the result on the way, or if the argument or the result is over 64 GiB.
 *
 * What a task says by posse_task_progress and posse_task_emit reaches its future: messages in
 * order, whole, and before its end; of its progress the last value, some 20 times a second and at
 * the end. Of a task that crashes all messages arrive. If its agent dies, or the program kills the
 * task, those that were on the way are lost. A task finds its feed full when between one and two
 * times options.message_memory (at most 512 MiB) wait to be read. When a task runs again, messages
 * of earlier runs may still wait. If they are more than that when the task ends, the task fails,
 * and its message says why.
 *
 * posse_create says that a process which adopts orphans becomes the parent of the supervisor. It
 * becomes the parent of the launcher, and of what keeps token_file, too. SIGCHLD reports its end,
 * which may come after posse_destroy; only wait(-1) of the program reaps it. Until then the
 * launcher holds copies of the descriptors that the program had at the call. If something kills the
 * launcher, that process also becomes the parent of what the launcher has started on this machine.
 *
 * Only a process that knows the token of 128 bits may join. It never stands on a command line.
 * Traffic is not encrypted. So agents connect through a unix socket on this machine, and
 * POSSE_LAUNCH_SSH carries all through ssh; listen on a network only if all that are in it may read
 * and change the traffic. An agent sends the token to whoever listens at the address, and runs what
 * comes from there: nothing proves that it is the program. A stranger that can read the traffic, or
 * takes a port that the program has left while agents still connect, has the token and the rights
 * of the agent's user. By ssh nobody between the machines can.
 */
#ifndef POSSE_REMOTE_H
#define POSSE_REMOTE_H

#include "posse.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- many machines --------------------------------------------------------------------------- */

/* In the environment of an agent: the token, or a file with it. In that of a command that starts
 * agents: the agent's command line, and its host. */
#define POSSE_REMOTE_TOKEN "POSSE_REMOTE_TOKEN"
#define POSSE_REMOTE_TOKEN_FILE "POSSE_REMOTE_TOKEN_FILE"
#define POSSE_AGENT "POSSE_AGENT"
#define POSSE_NODE "POSSE_NODE"

/* How agents are started. */
typedef enum posse_launcher {
    POSSE_LAUNCH_LOCAL = 0, /* as processes of this machine, one for each entry of nodes */
    POSSE_LAUNCH_SSH = 1,   /* one ssh for each entry of nodes, which carries the connection, too */
    POSSE_LAUNCH_MPIRUN = 2, /* one mpirun for all nodes with as many places; Open MPI or MPICH */
    POSSE_LAUNCH_SRUN = 3,   /* one srun likewise, in an allocation of Slurm or in one of its own */
    POSSE_LAUNCH_COMMAND = 4, /* `command`, for each entry of nodes */
    POSSE_LAUNCH_NONE = 5,    /* not at all: by hand, with posse_remote_line */

    /* One mpirun of posse-relay, which starts the agents and carries their connections by MPI: for
     * nodes that cannot reach the program. The first mpirun must be of the MPI that posse-relay was
     * built with. There is a process here and one on each node. Each takes about 1 % of a processor
     * while nothing moves; a message that comes after a rest waits for up to 8 ms. */
    POSSE_LAUNCH_MPI_RELAY = 6
} posse_launcher;

/* As nodes: the nodes of the batch job that this program runs in, with as many places as its tasks
 * or slots, as the environment says: SLURM_JOB_NODELIST, with SLURM_TASKS_PER_NODE or
 * SLURM_JOB_CPUS_PER_NODE; PBS_NODEFILE; LSB_MCPU_HOSTS or LSB_HOSTS; PE_HOSTFILE. Nothing else in
 * this library reads the environment of the program.
 *
 * The lines of a file of nodes are "a", "a:8", "a slots=8" or "a 8", and # begins a comment. A
 * host on several lines has what they say together. In a file with such a host, a line without a
 * number counts one, in another as `places` says. */
#define POSSE_NODES_BATCH "@batch"

/* Zero is the default everywhere. What pointers lead to is copied. */
typedef struct posse_remote_options {
    size_t struct_size; /* sizeof(posse_remote_options) */
    long launcher;      /* posse_launcher */
    /* Hosts, and how many places each has: "a:8,b:8,c"; "@PATH": as a file has them;
     * POSSE_NODES_BATCH. NULL: POSSE_NODES_BATCH for SRUN, "localhost" for the others. */
    const char *nodes;
    long places; /* of an entry without a number; 0: the number of usable processors here */
    /* Where agents connect to: "unix:PATH", "unix:@NAME", "HOST:PORT" or, of IPv6, "[ADDRESS]:PORT"
     * (port 0: any). The file of a unix socket is yours to remove; a NAME is taken until the end of
     * all processes that the program forked during the call. Of a host with many addresses it is
     * the first that can be bound. Nodes cannot connect to "0.0.0.0:PORT", so it needs `connect`
     * too. `connect` cannot have port 0, so the program must choose PORT. A host
     * name that leads to 127.0.0.1 or 127.0.1.1 here is for this machine alone. NULL: a unix socket
     * without a name in the file system for LOCAL and MPI_RELAY, 127.0.0.1:0 for the others.
     */
    const char *listen;
    /* The address that agents are told, with a port, if it is another one; NULL: as `listen`. An
     * agent tries up to eight addresses of a host, each for two seconds. */
    const char *connect;
    /* COMMAND: run by sh -c. $POSSE_NODE is the host, $POSSE_AGENT the agent's command line, quoted
     * for a shell; POSSE_REMOTE_TOKEN is in the environment and is the first line of stdin.
     * SSH, MPIRUN, SRUN, MPI_RELAY: what is run for it, with options of yours, as in a shell: "ssh
     * -p 2222", "mpiexec.hydra", "srun --mem=4G"; NULL: "ssh", "mpirun", "srun", "mpirun".
     * LOCAL, NONE: NULL. */
    const char *command;
    /* The token is written there, for this user alone: for agents by hand, so POSSE_LAUNCH_NONE
     * needs it. It replaces a file of that name, at once; a device or a link stays, and the call
     * fails. At the end of the pool a process of its own removes it, unless something else stands
     * there by then; posse_destroy waits for that, at most 10 s, unless something has killed the
     * supervisor. */
    const char *token_file;
    /* A node that answers nothing for so long is lost, over TCP and by ssh (there rounded up to a
     * multiple of three seconds); 0: 10000; else at least 1000. By TCP also one that takes no bytes
     * for so long, such as a stopped process; for a message over 16 MiB, 20 ms more for each MB, as
     * the other side needs time for the memory. An agent gives the program up after
     * the same time; one behind ssh when the sshd of its node does. With MPI_RELAY only MPI
     * detects a silent node. */
    long silence_ms;
    /* posse_remote_create writes the address here. */
    char address[160];
    /* POSSE_LAUNCH_MPI_RELAY: the path of posse-relay on all nodes; NULL: where it is installed. */
    const char *relay;
} posse_remote_options;

/* The first call in main. Returns at once, unless this process was started as an agent. Then it
 * runs tasks until the program ends, and exits. */
POSSE_API void posse_remote_main(int argc, char **argv);

/* As posse_create, with agents. These options hold in the agents' pools, as tasks run there:
 * initializer and finalizer (with a copy of their argument; both together at most 32 MiB),
 * max_tasks_per_worker, max_rss_per_worker, max_result, message_memory, wipe, worker_name_prefix
 * and max_memory. The last five also hold for this pool, in which message_memory is twice as large.
 * When the pool has ended, or the program is dead, an agent runs the finalizers before it ends, for
 * a minute at most. Launchers other than ssh end the agents that they have started after 2.5 to 3
 * seconds. posse_shutdown and posse_destroy wait for none of that. What finalizers write to stderr
 * then is lost, and by ssh may raise SIGPIPE.
 * A place takes tasks when a worker of its agent has run the initializer. If three workers of an
 * agent fail in it in a row, the executor is broken, as any would be. posse_why_broken then gives
 * only the message: code and attempt are 0. If an agent's pool breaks for another reason, that
 * agent ends.
 * All other options hold for this pool alone, whose workers are places: a worker that runs no task
 * of its own. options.max_workers is the number of places, by default those of `nodes` together, at
 * most POSSE_MAX_WORKERS; agents beyond that are spare. The call does not wait for agents. Nothing
 * is launched, and token_file is not made, before all else has gone well.
 * POSSE_NOT_SUPPORTED: options has a backend other than POSSE_PROCESS, a runner, seal, isolation or
 * autopsy; this program has no build-id (ld --build-id), or there is no /proc; or the initializer
 * or the finalizer is in none of its libraries that have one.
 * POSSE_TOO_LARGE: as posse_create; also message_memory is over 512 MiB, arguments over 32 MiB,
 * more than 1000 nodes, more than POSSE_MAX_WORKERS places on one, or the list of the program's
 * libraries is over 1 MiB.
 * POSSE_INVALID: executor or remote is NULL; an address, a launcher, nodes, places, silence_ms,
 * command or struct_size is not valid; the host of `listen` is unknown; POSSE_LAUNCH_SSH has a unix
 * socket; there is no batch job; POSSE_LAUNCH_NONE has no token_file; or this process was started
 * as an agent, and main has not called posse_remote_main.
 * POSSE_NO_MEMORY, POSSE_SYSTEM: as posse_create; also if `listen` is no address of this machine or
 * is taken, token_file cannot be written or something other than a file has that name (EEXIST), the
 * file of nodes cannot be read, or the launcher cannot be started. */
POSSE_API POSSE_CHECK posse_status posse_remote_create(const posse_options *options,
                                                       posse_remote_options *remote,
                                                       posse_executor **executor);

/* The command line that starts an agent by hand, after posse_remote_create: "program --posse-agent
 * 127.0.0.1:4000 8". It has what `connect` leads to, or `address`. The agent finds the token in
 * $POSSE_REMOTE_TOKEN, or in the file that $POSSE_REMOTE_TOKEN_FILE names. As snprintf; the line is
 * empty if remote is NULL, or its struct_size is not valid. */
POSSE_API size_t posse_remote_line(const posse_remote_options *remote, long places, char *buffer,
                                   size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
