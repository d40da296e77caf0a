/* token_file.h - the file with the token. Runs in: program; the keeper, a process of its own. */
#pragma once

#include "remote/token.h"

/* Writes it, for this user alone: another file of that name is replaced at once. When all copies of
 * *keeper, a socket, are closed, the keeper removes it, unless another file has replaced it. The
 * keeper closes its copy of the listener. 0 or an errno. */
int pi_token_file_make(const char *path, const char token[PI_TOKEN_TEXT], int listener,
                       int *keeper);
