/* spare.h - processes that a worker forks, one for each task, and memory that it shares with one of
 * them alone.
 *
 * Runs in: worker, and in the processes that it forks; supervisor, for what a worker has left.
 * SIGCHLD is blocked in such a worker: a wait takes it. The kernel sends it when a child ends. A
 * child that has said all sends it, too. Whatever it is for, the worker looks.
 */
#pragma once

#include "os/process.h"

#include <stdint.h>

/* Memory that this process shares with those that it forks from now on; cleared, and a page takes
 * memory at its first use. NULL and errno: there is none. */
void *pi_os_task_memory_make(size_t size);
/* Children that are forked from now on do not get it. False: they would. */
bool pi_os_task_memory_keep(void *memory, size_t size);
void pi_os_task_memory_free(void *memory, size_t size);

/* In the worker, which has one thread. `adopts`: its children may leave children, which become its
 * own. 0 or an errno. */
int pi_os_spare_begin(bool adopts);
/* Forks a child in this process's group, which runs body(context). That must not return. The kernel
 * kills the child when this process dies. 0 or an errno. */
int pi_os_spare_fork(void (*body)(void *context), void *context, pid_t *child);

struct pi_os_end {
    struct pi_os_death death;
    uint64_t cpu_ns; /* processor time of its threads, and of children that it has waited for */
    uint64_t peak;   /* the most bytes of memory that it had */
};
enum pi_os_spare_event { PI_OS_SPARE_LIVES, PI_OS_SPARE_SAYS, PI_OS_SPARE_ENDED };
/* Waits until the moment for the end of a child, and reaps it; or until it says that *done is not 0
 * (NULL: it cannot). */
enum pi_os_spare_event pi_os_spare_await(pid_t child, uint64_t until, _Atomic uint32_t *done,
                                         struct pi_os_end *end);
/* In a child, after it has written *done: wakes its parent. */
void pi_os_spare_say(void);
/* Waits for a child that was killed. The processor time that it has used. */
uint64_t pi_os_spare_reap(pid_t child);
/* False: the system refuses. */
bool pi_os_spare_kill(pid_t child);
/* Sets the limit of a child's data, which it cannot raise. False: the system refuses. */
bool pi_os_spare_limit_data(pid_t child, uint64_t bytes);

/* ---- children that others have left ---- */

/* This process becomes the parent of its descendants whose own parent ends. 0 or an errno. */
int pi_os_adopt_orphans(void);
/* A process that this one has adopted, of a group whose leader is not reaped yet. GONE: there is
 * none of that number. */
enum pi_os_adopted { PI_OS_ADOPTED_GONE, PI_OS_ADOPTED_LIVES, PI_OS_ADOPTED_ENDED };
enum pi_os_adopted pi_os_adopted(pid_t orphan, pid_t group);
/* A child that has ended, and stays a zombie; 0: there is none. */
pid_t pi_os_ended_child(void);
/* Reaps children that have ended. True: one lives. */
bool pi_os_has_children(void);
/* Waits until the moment for the end of all children, and reaps them. SIGCHLD is blocked. */
void pi_os_reap_all(uint64_t until);
