/* roster.c - which workers were started and killed, and which loss each death explains.
 *
 * A handler that the supervisor inherits enters a worker at its fork. So a worker can be killed
 * before it has begun to work. Pids come round: a pid may explain as
 * many losses as there were workers that had it, and that somebody set out to kill.
 */
#include "chaos.h"

#include <stdlib.h>

#include "os/process.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct roster *roster; /* for those that are born */
/* From the runner: 1 the supervisor, 2 a worker, 3 the process of a task. The process between the
 * program and the supervisor is made by vfork, which calls no handler. */
static int forks;

static void enter(void)
{
    forks++;
    if (roster == NULL)
        return;
    int pid = getpid();
    if (forks == 1) {
        atomic_store(&roster->supervisor, pid);
    } else if (pid < MAX_PIDS) {
        atomic_fetch_add(&roster->lives[pid].born, 1);
        atomic_store(&roster->recent[atomic_fetch_add(&roster->births, 1) % RECENT], pid);
    }
}

__attribute__((constructor)) static void watch_births(void)
{
    if (pthread_atfork(NULL, NULL, enter) != 0)
        abort();
}

struct roster *open_roster(void)
{
    roster = mmap(NULL, sizeof *roster, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(roster != MAP_FAILED);
    atomic_store(&roster->fresh, MAX_STILLBORN);
    return roster;
}

void close_roster(struct roster *old)
{
    roster = NULL;
    free_shared(old, sizeof *old);
}

/* A timer of the kernel kills it: at any instruction, also where no other thread would come. */
static void kill_self_later(uint32_t us)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec after = {.it_value = {us / 1000000, us % 1000000 * 1000L}};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &after, NULL);
}

static void doom(struct roster *mine, pid_t pid)
{
    atomic_fetch_add(&mine->lives[pid].doomed, 1);
    atomic_fetch_add(&mine->doomed, 1);
}

void meet(struct roster *mine, uint32_t die_after_us)
{
    static pid_t met;
    if (mine == NULL || met == getpid())
        return;
    met = getpid();
    struct life *life = &mine->lives[met], *worker = forks > 2 ? &mine->lives[getppid()] : life;
    atomic_store(&worker->met, atomic_load(&worker->born));
    atomic_store(&mine->fresh, MAX_STILLBORN);
    if (die_after_us != 0) {
        doom(mine, met);
        kill_self_later(die_after_us);
    }
}

/* Of a living process; 0 otherwise. */
static pid_t parent_of(pid_t pid)
{
    char path[32], state = 'X';
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *stat = fopen(path, "re");
    if (stat != NULL) {
        if (fscanf(stat, "%*d (%*[^)]) %c %d", &state, &parent) != 2)
            state = 'X';
        fclose(stat);
    }
    return state == 'X' || state == 'Z' ? 0 : parent;
}

/* Its start must come to something now and then, or the pool breaks, as it should. */
static bool may_be_killed(struct roster *from, pid_t pid)
{
    struct life *life = &from->lives[pid];
    int fresh = atomic_load(&from->fresh);
    return atomic_load(&life->met) == atomic_load(&life->born) ||
           (fresh > 0 && atomic_compare_exchange_strong(&from->fresh, &fresh, fresh - 1));
}

/* One of the last that were born, or its parent if that is a worker too. */
static pid_t draw_pid(struct roster *from, uint64_t random)
{
    uint32_t births = atomic_load(&from->births);
    uint32_t last = births < 8 ? births : 8;
    pid_t pid = last == 0 ? 0 : atomic_load(&from->recent[(births - 1 - random % last) % RECENT]);
    pid_t parent = random >> 32 & 1 && pid > 0 ? parent_of(pid) : 0;
    return parent > 0 && parent_of(parent) == atomic_load(&from->supervisor) ? parent : pid;
}

/* A worker, or a process of a task, also one that waits for its task. */
static bool is_victim(struct roster *from, pid_t pid)
{
    pid_t parent = parent_of(pid), supervisor = atomic_load(&from->supervisor);
    return parent > 0 &&
           (parent == supervisor ? may_be_killed(from, pid) : parent_of(parent) == supervisor);
}

/* What the descriptor names is such a process of this pool, or dead: its pid was that of one after
 * the descriptor was made. */
bool pick_victim(struct roster *from, uint64_t random, struct victim *victim)
{
    victim->pid = draw_pid(from, random);
    victim->fd = victim->pid > 0 ? pi_os_pidfd(victim->pid) : -1;
    if (victim->fd < 0)
        return false;
    if (is_victim(from, victim->pid))
        return true;
    close(victim->fd);
    return false;
}

bool signal_victim(struct roster *from, struct victim victim, int signal)
{
    if (signal == SIGKILL)
        doom(from, victim.pid);
    return syscall(SYS_pidfd_send_signal, victim.fd, signal, NULL, 0) == 0;
}

bool explained(struct chaos *chaos, long pid, uint64_t loss)
{
    if (chaos->roster == NULL || pid <= 0 || pid >= MAX_PIDS) {
        blame(chaos, "pid %ld can be no worker's", pid);
        return false;
    }
    struct life *life = &chaos->roster->lives[pid];
    pthread_mutex_lock(&chaos->lock);
    bool again = life->explains > 0 && life->last == loss;
    if (!again) {
        life->explains++;
        life->last = loss;
        count(chaos, HARMED, 1);
    }
    uint32_t explains = life->explains, born = life->born, doomed = life->doomed;
    pthread_mutex_unlock(&chaos->lock);
    doomed = cancels(chaos) && chaos->end == FORCED ? born : doomed; /* the pool killed it */
    if (explains > born || explains > doomed) {
        blame(chaos, "pid %ld, born %u times and killed %u times, is to explain %u losses", pid,
              born, doomed, explains);
    }
    return explains <= born && explains <= doomed;
}
