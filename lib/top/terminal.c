/* Runs in: posse-top. */
#include "top/terminal.h"
#include "os/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l\033[2J" /* another screen, no cursor */
#define LEAVE "\033[?25h\033[?1049l"

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static struct {
    bool in_use;
    struct termios before;
    sigset_t mask; /* of before */
    volatile sig_atomic_t ended_by, stop, resized;
} screen;

static void on_end(int signal) { screen.ended_by = signal; }
static void on_stop(int signal) { screen.stop = signal; }
static void on_resize(int signal) { screen.resized = signal; }

static void say(const char *text)
{
    ssize_t n = write(STDOUT_FILENO, text, strlen(text));
    (void)n; /* a terminal that is gone needs nothing more */
}

bool pi_top_is_terminal(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && kind && *kind &&
           strcmp(kind, "dumb") != 0;
}

/* ---- signals ---- */

static void handle(int signal, void (*handler)(int), sigset_t *blocked)
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    (void)sigaction(signal, &action, NULL);
    sigaddset(blocked, signal);
}

/* A signal that was ignored, as by nohup, stays ignored. */
static void handle_signals(void)
{
    sigset_t blocked;
    struct sigaction before;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            handle(ends[i], on_end, &blocked);
    handle(SIGTSTP, on_stop, &blocked);
    handle(SIGWINCH, on_resize, &blocked);
    (void)sigprocmask(SIG_BLOCK, &blocked, &screen.mask);
}

static void end_as(int number)
{
    sigset_t one;
    (void)signal(number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, number);
    (void)kill(getpid(), number);
    (void)sigprocmask(SIG_UNBLOCK, &one, NULL); /* now it comes */
}

void pi_top_end_by_signal(void)
{
    if (screen.ended_by)
        end_as(screen.ended_by);
}

/* ---- the screen ---- */

static bool use(void)
{
    struct termios raw = screen.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0)
        return false;
    say(ENTER);
    screen.in_use = true;
    return true;
}

bool pi_top_screen_enter(void)
{
    if (tcgetattr(STDIN_FILENO, &screen.before) != 0)
        return false;
    handle_signals();
    return use();
}

void pi_top_screen_leave(void)
{
    if (!screen.in_use)
        return;
    screen.in_use = false;
    say(LEAVE);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

void pi_top_screen_size(int *rows, int *columns)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col;
    *rows = known ? size.ws_row : 24;
    *columns = known ? size.ws_col : 80;
}

/* ---- keys ---- */

/* Stops as the terminal's user has asked, and goes on where it was. */
static void stop(void)
{
    sigset_t blocked;
    screen.stop = 0;
    pi_top_screen_leave();
    end_as(SIGTSTP);
    sigemptyset(&blocked);
    handle(SIGTSTP, on_stop, &blocked);
    (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
    (void)use();
}

static int read_key(void)
{
    unsigned char key;
    ssize_t n = read(STDIN_FILENO, &key, 1);
    if (n < 0 && errno == EINTR)
        return PI_TOP_NO_KEY;
    return n == 1 ? key : PI_TOP_THE_END;
}

int pi_top_key(uint64_t until)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    uint64_t now = pi_os_now();
    struct timespec left = pi_os_timespec(until > now ? until - now : 0);
    screen.resized = 0;
    int n = ppoll(&input, 1, &left, &screen.mask);
    if (screen.ended_by)
        return PI_TOP_THE_END;
    if (screen.stop)
        stop();
    if (n <= 0)
        return n == 0 || errno == EINTR ? PI_TOP_NO_KEY : PI_TOP_THE_END;
    return read_key();
}
