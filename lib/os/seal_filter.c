/* Runs in: worker; pi_os_filter_denied in the program.
 *
 * Makes a filter of system calls of the list in seal_rules.h, in the kernel's language for that: a
 * program that looks at the number and the arguments of each call, and says what becomes of it. The
 * kernel keeps in mind which calls are allowed whatever their arguments are, so those cost no more
 * than without a filter.
 *
 * A filter sees arguments, not the memory that they point to. Where such memory counts, the call is
 * allowed or forbidden as a whole, or the kernel is said not to have it (clone3: the C library then
 * makes a thread with clone).
 */
#include "os/seal.h"

#include "os/calls.h"

#include <errno.h>

#if PI_OS_HAS_CALLS
#include "os/seal_checks.h"
#include "os/seal_rules.h"

#include <unistd.h>

/* As in linux/seccomp.h, linux/filter.h and linux/audit.h, which not every libc comes with. */
#define SET_FILTER 1
#define ACTION_IS_KNOWN 2
#define ALL_THREADS 1 /* a flag of SET_FILTER */
#define KILL 0x80000000u
#define TRAP 0x00030000u
#define FAIL 0x00050000u /* and the errno */
#define ALLOW 0x7fff0000u
#define LOAD 0x20 /* operations: 32 bits of the data below, */
#define MASK 0x54
#define SKIP_UNLESS_EQUAL 0x15
#define SKIP 0x05
#define ANSWER 0x06
#ifdef __x86_64__
#define ARCHITECTURE 0xc000003eu
#else
#define ARCHITECTURE 0xc00000b7u
#endif

/* What a filter sees of a call. */
struct data {
    int32_t number;
    uint32_t architecture;
    uint64_t instruction, arguments[6];
};

struct step {
    uint16_t operation;
    uint8_t skip_if_equal, skip_unless_equal; /* steps */
    uint32_t operand;
};

struct filter {
    uint16_t count;
    struct step *steps;
};

/* ---- rules ---- */

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
#undef CALL
#define RULES (sizeof rules / sizeof rules[0])
#define WORKER_RULES (sizeof worker_rules / sizeof worker_rules[0])

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

/* ---- the program ---- */

#define MAX_STEPS 2048

struct program {
    struct step step[MAX_STEPS];
    uint16_t count;
    bool full;
    bool of_worker; /* that forks a process for each task */
};

static void add(struct program *p, uint16_t operation, uint32_t operand)
{
    p->full |= p->count == MAX_STEPS;
    if (!p->full)
        p->step[p->count++] = (struct step){.operation = operation, .operand = operand};
}

static void load(struct program *p, size_t offset) { add(p, LOAD, (uint32_t)offset); }

/* If what was loaded is `value`, goes on; else leaves out the next `others` steps. */
static void require(struct program *p, uint32_t value, unsigned others)
{
    add(p, SKIP_UNLESS_EQUAL, value);
    if (!p->full)
        p->step[p->count - 1].skip_unless_equal = (uint8_t)others;
}

/* The low half of an argument comes first: both processors are little-endian. */
static size_t half_of(unsigned argument, unsigned half)
{
    return offsetof(struct data, arguments) + argument * sizeof(uint64_t) + half * sizeof(uint32_t);
}

static uint32_t value_of(const struct test *test)
{
    return test->kind == SELF_PID     ? (uint32_t)getpid()
           : test->kind == PARENT_PID ? (uint32_t)getppid()
                                      : test->value;
}

#define HALF_STEPS 3 /* of a test of one half of an argument */
#define HIGH_STEPS 2 /* the high half is tested before, if it counts */

static unsigned steps_of(const struct test *test)
{
    return HALF_STEPS + (test->kind == NULL_POINTER ? HIGH_STEPS : 0);
}

/* If the test holds, goes on; else leaves out `others` steps behind it. Of a number the kernel
 * looks at the low half only. */
static void add_test(struct program *p, const struct test *test, unsigned others)
{
    if (test->kind == NULL_POINTER) {
        load(p, half_of(test->argument, 1));
        require(p, 0, others + HALF_STEPS);
    }
    load(p, half_of(test->argument, 0));
    add(p, MASK, test->mask);
    require(p, value_of(test), others);
}

/* The steps of the tests that must hold together with this one, and follow it. */
static unsigned steps_behind(const struct test *test)
{
    unsigned steps = 0;
    for (; test->and_next; test++)
        steps += steps_of(test + 1);
    return steps;
}

/* Tests that must hold together: one, or more. Returns how many. */
static size_t add_alternative(struct program *p, const struct test *tests)
{
    size_t n = 0;
    do
        add_test(p, tests + n, steps_behind(tests + n) + 1);
    while (tests[n++].and_next);
    add(p, ANSWER, ALLOW);
    return n;
}

/* All that a rule accepts, once its call is known. */
static void add_alternatives(struct program *p, enum check check)
{
    if (check == ANY || check == NO_CALL)
        add(p, ANSWER, check == ANY ? ALLOW : FAIL | ENOSYS);
    else
        for (size_t i = 0; i < checks[check].count;)
            i += add_alternative(p, checks[check].tests + i);
}

/* Begins what is left out unless it is that call, which end_call ends. */
static unsigned begin_call(struct program *p, int call)
{
    require(p, (uint32_t)call, 0);
    return p->count;
}

static void end_call(struct program *p, unsigned begin)
{
    if (!p->full)
        p->step[begin - 1].skip_unless_equal = (uint8_t)(p->count - begin);
}

static void add_rule(struct program *p, const struct rule *rule)
{
    unsigned begin = begin_call(p, rule->call);
    add_alternatives(p, rule->check);
    end_call(p, begin);
    if (rule->check != ANY && rule->check != NO_CALL)
        load(p, offsetof(struct data, number)); /* for the next rule */
}

static bool is_of_worker(int call)
{
    size_t i = 0;
    while (i < WORKER_RULES && worker_rules[i].call != call)
        i++;
    return i < WORKER_RULES;
}

static void add_rules(struct program *p, const struct rule *list, size_t n, unsigned allowed)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].call >= 0 && (list[i].when & allowed) &&
            (list == worker_rules || !p->of_worker || !is_of_worker(list[i].call)))
            add_rule(p, &list[i]);
}

/* Calls of another instruction set (32-bit) have other numbers: they end the process. */
static void make_program(struct program *p, unsigned allowed)
{
    load(p, offsetof(struct data, architecture));
    require(p, ARCHITECTURE, 1);
    add(p, SKIP, 1);
    add(p, ANSWER, KILL);
    load(p, offsetof(struct data, number));
    if (p->of_worker)
        add_rules(p, worker_rules, WORKER_RULES, allowed);
    add_rules(p, rules, RULES, allowed);
    add(p, ANSWER, TRAP);
}

/* A worker needs the others for itself: it limits its memory, and may be another user. */
static bool is_of_task(enum check check) { return check != OWN_DATA && check != NOTIFY_OTHER; }

/* What the seal allows of a call, and nothing else. */
static void add_call(struct program *p, int call, unsigned allowed)
{
    unsigned begin = begin_call(p, call);
    for (size_t i = 0; i < RULES; i++)
        if (rules[i].call == call && (rules[i].when & allowed) && is_of_task(rules[i].check))
            add_alternatives(p, rules[i].check);
    add(p, ANSWER, TRAP);
    end_call(p, begin);
}

/* On top of the worker's filter: the strictest answer counts. */
static void make_program_of_task(struct program *p, unsigned allowed)
{
    load(p, offsetof(struct data, number));
    for (size_t i = 0; i < WORKER_RULES; i++)
        if (worker_rules[i].call >= 0)
            add_call(p, worker_rules[i].call, allowed);
    add(p, ANSWER, ALLOW);
}

static int apply(const struct program *p)
{
    struct filter filter = {p->count, (struct step *)p->step};
    if (p->full)
        return E2BIG;
    long result = syscall(PI_OS_CALL_seccomp, SET_FILTER, ALL_THREADS, &filter);
    return result < 0 ? errno : result > 0 ? EBUSY : 0; /* a thread that has other filters */
}

int pi_os_filter_apply(const struct pi_os_seal *seal, enum pi_os_sealed sealed)
{
    static struct program program; /* large */
    program.count = 0;
    program.full = false;
    program.of_worker = sealed == PI_OS_SEALED_WORKER;
    if (sealed == PI_OS_SEALED_TASK)
        make_program_of_task(&program, allowed_by(seal));
    else
        make_program(&program, allowed_by(seal));
    return apply(&program);
}

int pi_os_filter_denied(void)
{
    uint32_t action = TRAP;
    return syscall(PI_OS_CALL_seccomp, ACTION_IS_KNOWN, 0, &action) == 0 ? 0 : errno;
}

#else

int pi_os_filter_apply(const struct pi_os_seal *seal, enum pi_os_sealed sealed)
{
    (void)seal;
    (void)sealed;
    return ENOSYS;
}

int pi_os_filter_denied(void) { return ENOSYS; }

#endif
