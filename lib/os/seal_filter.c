/* Runs in: worker, and the process of a task; pi_os_filter_denied in the program.
 *
 * Says what becomes of each system call: by the list in seal_rules.h, of which a seal allows some.
 * seal_program.c makes the kernel's filter of it.
 */
#include "os/seal.h"

#include "os/calls.h"

#include <errno.h>

#if PI_OS_HAS_CALLS
#include "os/seal_program.h"
#include "os/seal_rules.h"

enum when {
    ALWAYS = 0x1,
    PATHS = 0x2,
    CHANGES = 0x4,
    FILES = 0x8,
    NETWORK = 0x10,
    PROGRAMS = 0x20,
    PROCESSES = 0x40,
    SIGNALS = 0x80,
    TRACING = 0x100,
    PORTS = 0x200,
    CONNECTS = 0x400,
    BINDS = 0x800
};

struct rule {
    int call;
    enum when when;
    enum check check;
};
#define RULE(call, when, check) {PI_OS_CALL_##call, when, check},
static const struct rule rules[] = {PI_OS_SEAL_RULES(RULE)};
#undef RULE
#define CALL(call, check) {PI_OS_CALL_##call, ALWAYS, check},
static const struct rule worker_rules[] = {PI_OS_WORKER_CALLS(CALL)};
static const struct rule task_rules[] = {PI_OS_TASK_CALLS(CALL)};
#undef CALL
#define CHECK(check) check,
static const enum check checks_of_worker[] = {PI_OS_CHECKS_OF_WORKER(CHECK)};
#undef CHECK
#define RULES (sizeof rules / sizeof rules[0])
#define WORKER_RULES (sizeof worker_rules / sizeof worker_rules[0])
#define TASK_RULES (sizeof task_rules / sizeof task_rules[0])
#define WORKER_CHECKS (sizeof checks_of_worker / sizeof checks_of_worker[0])

/* All that a seal allows. */
static unsigned allowed_by(const struct pi_os_seal *seal)
{
    unsigned allowed = ALWAYS;
    for (size_t i = 0; i < seal->n_paths; i++)
        allowed |= PATHS | (seal->paths[i].writable ? CHANGES : 0u);
    allowed |= seal->allow & PI_OS_ALLOW_FILES ? PATHS | CHANGES | FILES : 0u;
    allowed |= seal->allow & PI_OS_ALLOW_NETWORK ? NETWORK : 0u;
    allowed |= seal->allow & PI_OS_ALLOW_PROGRAMS ? PROGRAMS : 0u;
    allowed |= seal->allow & PI_OS_ALLOW_PROCESSES ? PROCESSES : 0u;
    allowed |= seal->allow & PI_OS_ALLOW_SIGNALS ? SIGNALS : 0u;
    allowed |= seal->allow & PI_OS_ALLOW_TRACING ? TRACING : 0u;
    allowed |= seal->connectable.n > 0 ? PORTS | CONNECTS : 0u;
    allowed |= seal->bindable.n > 0 ? PORTS | BINDS : 0u;
    return allowed;
}

/* ---- verdicts ---- */

struct verdicts {
    struct pi_os_verdict of[PI_OS_CALLS];
    int error;
};

static void set(struct verdicts *v, int call, enum pi_os_answer answer)
{
    if (call >= 0 && call < PI_OS_CALLS - 1)
        v->of[call] = (struct pi_os_verdict){.answer = (uint8_t)answer};
    else if (call >= 0) /* the last one stands for all that are not known */
        v->error = E2BIG;
}

static void set_all(struct verdicts *v, enum pi_os_answer answer)
{
    v->error = 0;
    for (int call = 0; call < PI_OS_CALLS; call++)
        v->of[call] = (struct pi_os_verdict){.answer = (uint8_t)answer};
}

/* One check more is enough. */
static void add_check(struct verdicts *v, struct pi_os_verdict *verdict, enum check check)
{
    if (verdict->answer == PI_OS_ALLOW)
        return;
    verdict->answer = PI_OS_CHECK;
    if (verdict->n_checks == PI_OS_CHECKS)
        v->error = E2BIG;
    else
        verdict->checks[verdict->n_checks++] = (uint8_t)check;
}

static void allow(struct verdicts *v, int call, enum check check)
{
    if (check == ANY || check == NO_CALL || call < 0 || call >= PI_OS_CALLS - 1)
        set(v, call, check == NO_CALL ? PI_OS_NO_CALL : PI_OS_ALLOW);
    else
        add_check(v, &v->of[call], check);
}

/* What the seal allows. */
static void add_rules(struct verdicts *v, unsigned allowed)
{
    for (size_t i = 0; i < RULES; i++)
        if (rules[i].when & allowed)
            allow(v, rules[i].call, rules[i].check);
}

/* A worker that forks a process for each task needs more. */
static void add_worker_rules(struct verdicts *v)
{
    for (size_t i = 0; i < WORKER_RULES; i++)
        set(v, worker_rules[i].call, PI_OS_FORBID);
    for (size_t i = 0; i < WORKER_RULES; i++)
        allow(v, worker_rules[i].call, worker_rules[i].check);
}

static bool is_of_worker(int call)
{
    size_t i = 0;
    while (i < WORKER_RULES && worker_rules[i].call != call)
        i++;
    return i < WORKER_RULES;
}

static bool is_of_task(enum check check)
{
    size_t i = 0;
    while (i < WORKER_CHECKS && checks_of_worker[i] != check)
        i++;
    return i == WORKER_CHECKS;
}

/* The rest, on top of the worker's filter: what the seal does not allow of the worker's calls. */
static void add_rules_of_task(struct verdicts *v, unsigned allowed)
{
    for (size_t i = 0; i < WORKER_RULES; i++)
        set(v, worker_rules[i].call, PI_OS_FORBID);
    for (size_t i = 0; i < RULES; i++)
        if ((rules[i].when & allowed) && is_of_worker(rules[i].call) && is_of_task(rules[i].check))
            allow(v, rules[i].call, rules[i].check);
    for (size_t i = 0; i < TASK_RULES; i++) {
        set(v, task_rules[i].call, PI_OS_FORBID);
        allow(v, task_rules[i].call, task_rules[i].check);
    }
}

int pi_os_filter_apply(const struct pi_os_seal *seal, enum pi_os_sealed sealed)
{
    static struct verdicts v; /* large */
    set_all(&v, sealed == PI_OS_SEALED_TASK ? PI_OS_ALLOW : PI_OS_FORBID);
    if (sealed == PI_OS_SEALED_TASK)
        add_rules_of_task(&v, allowed_by(seal));
    else
        add_rules(&v, allowed_by(seal));
    if (sealed == PI_OS_SEALED_WORKER)
        add_worker_rules(&v);
    return v.error ? v.error : pi_os_program_apply(v.of);
}

int pi_os_filter_denied(void) { return pi_os_program_denied(); }

#else

int pi_os_filter_apply(const struct pi_os_seal *seal, enum pi_os_sealed sealed)
{
    (void)seal;
    (void)sealed;
    return ENOSYS;
}

int pi_os_filter_denied(void) { return ENOSYS; }

#endif
