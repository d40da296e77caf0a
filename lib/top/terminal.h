/* terminal.h - the screen and the keys of a terminal, which is as before at the end.
 *
 * Runs in: posse-top. Signals that end posse-top, stop it or tell of another window size arrive
 * only while it waits for a key. So whatever ends it, it leaves the screen first.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Whether stdin and stdout are a terminal that can do more than print lines. */
bool pi_top_is_terminal(void);
/* Begins to use the screen. False: errno tells why not. */
bool pi_top_screen_enter(void);
/* Does nothing if it is not in use. */
void pi_top_screen_leave(void);
/* Of the window; 24 and 80 if the terminal does not tell. */
void pi_top_screen_size(int *rows, int *columns);

#define PI_TOP_NO_KEY 0  /* the time is over, or the window has another size */
#define PI_TOP_THE_END 4 /* a signal must end posse-top, or the terminal is gone */
/* Waits for a key until a moment of os/clock.h. */
int pi_top_key(uint64_t until);
/* Ends by the signal that has come, if one has. Returns if none has. */
void pi_top_end_by_signal(void);
