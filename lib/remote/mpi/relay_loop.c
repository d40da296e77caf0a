#include "remote/mpi/relay_loop.h"
#include "base/tuning.h"
#include "remote/mpi/ranks.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * (int64_t)PI_SECOND + t.tv_nsec;
}

/* Each connection takes one. */
static void have_descriptors(size_t n)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= n + PI_RELAY_OTHER_FDS)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

bool pi_relay_init(struct pi_relay *r, size_t links, const uint32_t *connections)
{
    size_t all = 1;
    *r = (struct pi_relay){.n = links, .moved_ns = now()};
    r->carriers = calloc(links, sizeof *r->carriers);
    for (size_t i = 0; r->carriers && i < links; i++) {
        if (!pi_carry_init(&r->carriers[i], i, connections[i]))
            return false;
        all += connections[i];
    }
    have_descriptors(all);
    r->fds = calloc(all, sizeof *r->fds);
    r->polled = calloc(all, sizeof *r->polled);
    return r->carriers && r->fds && r->polled;
}

void pi_relay_drop(struct pi_relay *r)
{
    for (size_t i = 0; i < r->n; i++)
        pi_carry_fini(&r->carriers[i]);
}

void pi_relay_fini(struct pi_relay *r)
{
    pi_relay_drop(r);
    free(r->carriers);
    free(r->fds);
    free(r->polled);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static struct timespec nap(const struct pi_relay *r, int64_t at)
{
    int64_t rest = at - r->moved_ns;
    int64_t soon = least(rest / 4, (int64_t)PI_RELAY_NAP_NS);
    int64_t late = least(rest / 1000, (int64_t)PI_RELAY_IDLE_NAP_NS);
    int64_t ns = soon > late ? soon : late;
    return (struct timespec){.tv_nsec = ns < (int64_t)PI_RELAY_LEAST_NAP_NS ? 0 : ns};
}

/* A rank whose mpirun has been killed gets no word of it from every MPI. What it carries ends with
 * it. */
static void end_alone(void)
{
    static pid_t parent;
    if (parent == 0)
        parent = getppid();
    if (getppid() != parent)
        _exit(1);
}

/* As poll of the first n of r->fds. */
static bool poll_open(struct pi_relay *r, size_t n, const struct timespec *most)
{
    nfds_t open = 0;
    for (size_t i = 0; i < n; i++)
        if (r->fds[i].fd >= 0)
            r->polled[open++] = r->fds[i];
    int found = ppoll(r->polled, open, most, NULL);
    if (found < 0 && errno != EINTR)
        pi_ranks_abort("poll fails");
    if (found <= 0)
        return false;
    for (size_t i = n; i-- > 0;)
        if (r->fds[i].fd >= 0)
            r->fds[i].revents = r->polled[--open].revents;
    return true;
}

bool pi_relay_serve(struct pi_relay *r, bool moved, int also)
{
    struct pollfd *fds = r->fds;
    int64_t at = now();
    r->moved_ns = moved ? at : r->moved_ns;
    for (size_t i = 0; i < r->n; i++) {
        pi_carry_tell(&r->carriers[i]);
        pi_carry_watch(&r->carriers[i], fds);
        fds += r->carriers[i].n;
    }
    *fds = (struct pollfd){.fd = also, .events = POLLIN};
    const struct timespec sleep = nap(r, at);
    if (sleep.tv_nsec)
        end_alone();
    if (!poll_open(r, (size_t)(fds - r->fds) + 1, &sleep))
        return false;
    r->moved_ns = now();
    fds = r->fds;
    for (size_t i = 0; i < r->n; i++) {
        (void)pi_carry_serve(&r->carriers[i], fds);
        fds += r->carriers[i].n;
    }
    return fds->revents & POLLIN;
}
