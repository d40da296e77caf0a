/* Runs in: worker, and the process of a task; pi_os_program_denied in the program.
 *
 * A filter sees arguments, not the memory that they point to. Where such memory counts, the call is
 * allowed or forbidden as a whole, or the kernel is said not to have it (clone3: the C library then
 * makes a thread with clone).
 */
#include "os/seal_program.h"
#include "os/calls.h"

#if PI_OS_HAS_CALLS

#include <errno.h>
#include <string.h>
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
#define SKIP_IF_AT_LEAST 0x35
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
    uint8_t skip_if, skip_unless; /* steps */
    uint32_t operand;
};

struct filter {
    uint16_t count;
    struct step *steps;
};

#define MAX_STEPS 2048

struct program {
    struct step step[MAX_STEPS];
    uint16_t count;
    bool full;
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
        p->step[p->count - 1].skip_unless = (uint8_t)others;
}

/* ---- the arguments of a call ---- */

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

/* ---- calls ---- */

static const uint32_t answers[] = {
    [PI_OS_ALLOW] = ALLOW, [PI_OS_FORBID] = TRAP, [PI_OS_NO_CALL] = FAIL | ENOSYS};

static void add_verdict(struct program *p, const struct pi_os_verdict *verdict)
{
    for (unsigned i = 0; i < verdict->n_checks; i++)
        for (size_t at = 0; at < checks[verdict->checks[i]].count;)
            at += add_alternative(p, checks[verdict->checks[i]].tests + at);
    add(p, ANSWER, verdict->answer == PI_OS_CHECK ? TRAP : answers[verdict->answer]);
}

/* Whether a call gets the same answer as the one before, whatever the arguments of both are. */
static bool is_as_before(const struct pi_os_verdict *verdict)
{
    return verdict->answer != PI_OS_CHECK && verdict->answer == verdict[-1].answer;
}

/* Where calls begin that get another answer. Returns how many there are. */
static unsigned find_parts(const struct pi_os_verdict *verdicts, uint16_t parts[PI_OS_CALLS])
{
    unsigned n = 0;
    for (uint16_t call = 0; call < PI_OS_CALLS; call++)
        if (call == 0 || !is_as_before(verdicts + call))
            parts[n++] = call;
    return n;
}

/* Before the step `at`. Steps skip forward only, and none over this place. */
static void insert(struct program *p, unsigned at, struct step step)
{
    add(p, 0, 0);
    if (p->full)
        return;
    memmove(p->step + at + 1, p->step + at, (p->count - at - 1u) * sizeof step);
    p->step[at] = step;
}

/* A call whose number is at least `first` leaves out all steps from `at` on. */
static void insert_choice(struct program *p, unsigned at, unsigned first)
{
    unsigned others = p->count - at;
    struct step choice = {.operation = SKIP_IF_AT_LEAST, .operand = first};
    if (others <= UINT8_MAX) {
        choice.skip_if = (uint8_t)others;
    } else {
        insert(p, at, (struct step){.operation = SKIP, .operand = others});
        choice.skip_unless = 1;
    }
    insert(p, at, choice);
}

/* Finds the part of a call by halves. */
static void add_parts(struct program *p, const struct pi_os_verdict *verdicts,
                      const uint16_t *parts, unsigned n)
{
    unsigned begin = p->count;
    if (n == 1) {
        add_verdict(p, verdicts + parts[0]);
        return;
    }
    add_parts(p, verdicts, parts, n / 2);
    insert_choice(p, begin, parts[n / 2]);
    add_parts(p, verdicts, parts + n / 2, n - n / 2);
}

/* Calls of another instruction set (32-bit) have other numbers: they end the process. */
int pi_os_program_apply(const struct pi_os_verdict verdicts[PI_OS_CALLS])
{
    static struct program p; /* large */
    uint16_t parts[PI_OS_CALLS];
    p.count = 0;
    p.full = false;
    load(&p, offsetof(struct data, architecture));
    require(&p, ARCHITECTURE, 1);
    add(&p, SKIP, 1);
    add(&p, ANSWER, KILL);
    load(&p, offsetof(struct data, number));
    add_parts(&p, verdicts, parts, find_parts(verdicts, parts));
    if (p.full)
        return E2BIG;
    struct filter filter = {p.count, p.step};
    long result = syscall(PI_OS_CALL_seccomp, SET_FILTER, ALL_THREADS, &filter);
    return result < 0 ? errno : result > 0 ? EBUSY : 0; /* a thread that has other filters */
}

int pi_os_program_denied(void)
{
    uint32_t action = TRAP;
    return syscall(PI_OS_CALL_seccomp, ACTION_IS_KNOWN, 0, &action) == 0 ? 0 : errno;
}

#endif
