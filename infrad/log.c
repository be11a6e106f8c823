/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "infrad.h"

static const struct {
        const char *id; /* MESSAGE_ID, never changed once published */
        int priority;
} events[LOG_EVENT_MAX] = {
        [LOG_STARTED] = { "5d0ef6ab1f0c4f1bb1a3e9a4f2a10c01", 6 },
        [LOG_RUN] = { "5d0ef6ab1f0c4f1bb1a3e9a4f2a10c02", 5 },
        [LOG_TROUBLE] = { "5d0ef6ab1f0c4f1bb1a3e9a4f2a10c03", 3 },
        [LOG_STOPPED] = { "5d0ef6ab1f0c4f1bb1a3e9a4f2a10c04", 6 },
        [LOG_FIREWALL] = { "5d0ef6ab1f0c4f1bb1a3e9a4f2a10c05", 5 },
        [LOG_DRIFT] = { "5d0ef6ab1f0c4f1bb1a3e9a4f2a10c06", 4 },
};

void log_event(enum log_event e, const char *format, ...)
{
        char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                return;
        if (access("/run/systemd/journal/socket", W_OK) == 0)
                sd_journal_send("MESSAGE=%s", text, "MESSAGE_ID=%s", events[e].id, "PRIORITY=%i", events[e].priority, NULL);
        else
                fprintf(stderr, "infrad: %s\n", text);
        free(text);
}
