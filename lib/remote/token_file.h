/* token_file.h - the file with the token. Runs in: program; the keeper, a process of its own. */
#pragma once

#include "remote/token.h"

struct pi_token_file {
    const char *path;
    char *first; /* the name under which it is written */
    char token[PI_TOKEN_TEXT];
    int listener; /* the keeper closes its copy */
    int keeper;   /* a socket: when it is shut down, the keeper removes the file */
};

/* Starts the keeper, and writes the file under its first name, for this user alone. When the socket
 * of the keeper is shut down, or all copies of it are closed, the keeper removes the file, unless
 * something else stands there. 0 or an errno. Then, too, the caller frees it. */
int pi_token_file_make(struct pi_token_file *file);
/* Gives it its name: another file of that name is replaced at once. 0 or an errno. */
int pi_token_file_name(const struct pi_token_file *file);
void pi_token_file_free(struct pi_token_file *file);
