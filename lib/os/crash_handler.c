#include "os/crash_handler.h"

#include "base/atomic.h"
#include "base/tuning.h"
#include "os/usage.h"

#include <signal.h>
#include <stddef.h>

static const int watched[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define WATCHED (sizeof watched / sizeof watched[0])

bool pi_os_crash_is_signal(int signal)
{
    size_t i = 0;
    while (i < WATCHED && watched[i] != signal)
        i++;
    return i < WATCHED;
}

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <execinfo.h>
#endif

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct pi_os_crash *crash;    /* constant after pi_os_crash_watch, as is the next */
static pid_t watched_process;        /* its children have this handler, too */
static _Atomic pid_t writer;         /* the thread that writes *crash; 0: none yet */
static volatile sig_atomic_t leaves; /* it may jump to `out` */
static sigjmp_buf out;

static pid_t this_thread(void) { return (pid_t)syscall(SYS_gettid); }

/* ---- frames ---- */

#ifdef __x86_64__
#define PC(machine) ((uintptr_t)(machine)->gregs[REG_RIP])
#define STACK(machine) ((uintptr_t)(machine)->gregs[REG_RSP])
#define FRAME(machine) ((uintptr_t)(machine)->gregs[REG_RBP])

/* Takes the return address from the stack, as the end of a function does. */
static void leave_function(mcontext_t *machine)
{
    machine->gregs[REG_RIP] = *(const greg_t *)STACK(machine);
    machine->gregs[REG_RSP] += (greg_t)sizeof(greg_t);
}
#else
#define PC(machine) ((uintptr_t)(machine)->pc)
#define STACK(machine) ((uintptr_t)(machine)->sp)
#define FRAME(machine) ((uintptr_t)(machine)->regs[29])

/* The same, from its register. */
static void leave_function(mcontext_t *machine) { machine->pc = machine->regs[30]; }
#endif

/* False: there is no room. Only the writer calls it. */
static bool add_frame(uintptr_t address)
{
    uint32_t found = pi_load_relaxed(&crash->found); /* relaxed: this thread alone writes it */
    uint32_t count = found ? found - 1 : 0;
    if (count >= PI_OS_MAX_FRAMES)
        return false;
    crash->frames[count] = address;
    pi_store_release(&crash->found, count + 2); /* with the reader of the record */
    return true;
}

#ifdef __GLIBC__
/* It fills these one by one, so they also count if it is left. Its first frames are the handler's
 * own. */
static void *tables[PI_OS_MAX_FRAMES + 16];

static void read_tables(mcontext_t *machine)
{
    (void)machine;
    (void)backtrace(tables, (int)(sizeof tables / sizeof tables[0]));
}

static void add_tables(const mcontext_t *machine)
{
    size_t i = 0, end = sizeof tables / sizeof tables[0];
    while (i < end && (uintptr_t)tables[i] != PC(machine))
        i++;
    for (i++; i < end && tables[i]; i++)
        if (!add_frame((uintptr_t)tables[i]))
            return;
}
#else
static void read_tables(mcontext_t *machine) { (void)machine; }
static void add_tables(const mcontext_t *machine) { (void)machine; }
#endif

/* A frame pointer leads to the caller's, and behind it stands the return address. Programs that
 * keep no frame pointers have something else there. */
__attribute__((no_sanitize("address"))) static void read_frame_pointers(mcontext_t *machine)
{
    uintptr_t frame = FRAME(machine), lowest = STACK(machine);
    while (frame >= lowest && frame - lowest < PI_MAX_STACK && frame % sizeof frame == 0) {
        const uintptr_t *pair = (const uintptr_t *)frame; /* a crash here leads out */
        if (pair[1] == 0 || !add_frame(pair[1]))
            return;
        lowest = frame + 1;
        frame = pair[0];
    }
}

/* ---- what may crash or hang ---- */

static void unblock(sigset_t *before)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < WATCHED; i++)
        sigaddset(&set, watched[i]);
    pthread_sigmask(SIG_UNBLOCK, &set, before);
}

/* Calls read(machine), which a crash or the timer may end. */
static void try_read(void (*read)(mcontext_t *machine), mcontext_t *machine)
{
    sigset_t before;
    if (sigsetjmp(out, 1) == 0) {
        leaves = 1;
        unblock(&before);
        read(machine);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    leaves = 0;
}

/* Sends this thread the signal after PI_CRASH_SECONDS. False: the system has no timer for it. */
static bool begin_timer(int signal, int *timer)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal};
    struct itimerspec time = {.it_value = {.tv_sec = PI_CRASH_SECONDS}};
    event.sigev_notify_thread_id = this_thread();
    return syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, timer) == 0 &&
           syscall(SYS_timer_settime, *timer, 0, &time, NULL) == 0;
}

/* If the processor went where no code is, the call was its last instruction. The unwinder, which
 * knows nothing of such a place, begins behind the call. */
static void leave_no_code(mcontext_t *machine)
{
    uintptr_t nowhere = PC(machine);
    if (crash->signal != SIGSEGV || crash->address != nowhere)
        return;
    try_read(leave_function, machine);
    if (PC(machine) != nowhere)
        (void)add_frame(PC(machine));
}

static void write_frames(int signal, mcontext_t *machine)
{
    int timer = 0;
    leave_no_code(machine);
    uint32_t found = pi_load_relaxed(&crash->found); /* relaxed: as in add_frame */
    if (begin_timer(signal, &timer)) {               /* else it might hang */
        try_read(read_tables, machine);
        add_tables(machine);
        (void)syscall(SYS_timer_delete, timer);
    }
    if (pi_load_relaxed(&crash->found) == found) /* relaxed: the same */
        try_read(read_frame_pointers, machine);
}

/* ---- the handler ---- */

static void write_signal(const siginfo_t *info)
{
    crash->signal = info->si_signo;
    crash->code = info->si_code;
    crash->address = info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0;
    pi_store_release(&crash->found, 1); /* with the reader of the record */
}

/* The signal comes when the handler returns, as it is blocked until then. */
static void die_of(int signal, siginfo_t *info)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    (void)sigaction(signal, &standard, NULL);
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), this_thread(), signal, info) != 0)
        (void)syscall(SYS_tgkill, getpid(), this_thread(), signal);
}

static void on_crash(int signal, siginfo_t *info, void *context)
{
    pid_t none = 0, self = this_thread();
    bool ours = getpid() == watched_process;
    /* relaxed: whatever it is, it is this thread only if this thread wrote it */
    if (ours && leaves && pi_load_relaxed(&writer) == self)
        siglongjmp(out, 1);
    if (ours)
        pi_os_note_crash();
    if (ours && pi_cas(&writer, &none, self)) { /* orders nothing: it claims */
        mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext, before = *machine;
        write_signal(info);
        (void)add_frame(PC(machine));
        write_frames(signal, machine);
        *machine = before;
    }
    die_of(signal, info);
}

/* ---- its installation ---- */

/* Unless the process has one that is large enough. Without memory the handler runs on the stack of
 * the crash. */
static void make_stack(void)
{
    stack_t stack = {.ss_size = PI_CRASH_STACK}, before;
    if (sigaltstack(NULL, &before) == 0 && !(before.ss_flags & SS_DISABLE) &&
        before.ss_size >= PI_CRASH_STACK)
        return;
    stack.ss_sp =
        mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp != MAP_FAILED)
        (void)sigaltstack(&stack, NULL);
}

bool pi_os_crash_is_known(void) { return true; }

void pi_os_crash_prepare(void)
{
#ifdef __GLIBC__
    void *frame[1];
    (void)backtrace(frame, 1);
#endif
}

void pi_os_crash_watch(struct pi_os_crash *to)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    crash = to;
    watched_process = getpid();
    pi_store_relaxed(&writer, 0); /* relaxed: there is one thread */
    make_stack();
    action.sa_sigaction = on_crash;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < WATCHED; i++)
        sigaddset(&action.sa_mask, watched[i]);
    for (size_t i = 0; i < WATCHED; i++) {
        struct sigaction now;
        if (sigaction(watched[i], NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
            now.sa_handler == SIG_DFL)
            (void)sigaction(watched[i], &action, NULL);
    }
}
#else
bool pi_os_crash_is_known(void) { return false; }
void pi_os_crash_prepare(void) {}
void pi_os_crash_watch(struct pi_os_crash *to) { (void)to; }
#endif
